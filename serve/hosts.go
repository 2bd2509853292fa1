package serve

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"flowmatch/internal/choice"
)

// localHosts refuses requests that name another host than this machine; otherwise is what else would be right.
// A page of another site can have its own name lead to this machine, and then its reader's browser lets it read
// what it asks for.
func localHosts(next http.Handler, otherwise string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			why := fmt.Sprintf("what is asked for is for this machine alone, as localhost or 127.0.0.1, and the "+
				"request names the host %s; a proxy must pass on Host: localhost%s", choice.Quote(r.Host), otherwise)
			http.Error(w, why, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLocal says whether the Host of a request is this machine, on any port. No browser leaves it out.
func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || ip != nil && ip.IsLoopback()
}
