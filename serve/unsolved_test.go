package serve

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/manifold"
	"flowmatch/ode"
)

// A solve that leaves its space, as one of points near the edge of a ball may, is no fault of the service.
func TestSolvesThatLeaveTheirSpaceAreUnprocessable(t *testing.T) {
	for _, err := range []error{manifold.ErrNoPoint, manifold.ErrCutLocus, ode.ErrNonFinite} {
		var is huma.StatusError
		if got := answer(fmt.Errorf("ode: %w", err)); !errors.As(got, &is) ||
			is.GetStatus() != http.StatusUnprocessableEntity || !strings.Contains(got.Error(), err.Error()) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}
