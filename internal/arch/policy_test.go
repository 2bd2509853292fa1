package arch_test

// This file is policy. A change to it is a change to the plan of the house and
// needs a reason, which is written here. Do not change it to make a build pass.

// anyRoom in a list of imports stands for every room.
const anyRoom = "*"

// rooms says for each room which rooms its code (not its tests) may import,
// besides rooms below itself. A folder without a row belongs to the nearest
// folder above it that has one. Read from the top: nothing imports downwards.
var rooms = map[string][]string{
	// The ground floor knows nothing of the rest.
	"flow":                {},
	"timegrid":            {"internal/choice"},
	"ode":                 {"internal/choice", "timegrid"}, // a grid in the settings of a solver
	"internal/seed":       {},
	"internal/filelock":   {},
	"internal/atomicfile": {"internal/filelock", "internal/memory"},
	"internal/assign":     {"engine/native/kernel"},
	"internal/tfevents":   {},
	"internal/memory":     {},
	"internal/choice":     {}, // a name from a list
	// What took long to make, kept in the user's cache folder.
	"internal/diskcache": {"internal/atomicfile", "internal/choice", "internal/memory"},
	"internal/stat":      {},
	"internal/digest":    {},
	"internal/child":     {}, // a program that answers in lines of JSON
	"internal/absent":    {}, // nil, also inside an interface
	// What is behind a run file.
	"internal/settings": {"internal/choice", "internal/atomicfile"},
	"internal/arch":     {},
	"internal/browser":  {}, // pages in a browser, for tests
	"internal/coast":    {}, // coastlines for maps
	// The door to MPI, and nothing of flows.
	"cluster":             {},
	"cluster/clustertest": {"cluster"},

	// Tensor engines know nothing of flows.
	"engine/native/machine": {"internal/atomicfile"},   // keeps sizes that were measured
	"engine/native/kernel":  {"engine/native/machine"}, // loops over numbers
	"engine/native":         {"engine/native/kernel", "engine/native/machine", "internal/seed"},
	"engine/onnx":           {"internal/atomicfile"},          // a file format
	"engine/onnx/exchange":  {"engine/native", "engine/onnx"}, // graphs as ONNX files

	// The mathematics speaks in terms of flow.
	"path":       {"flow", "internal/seed", "internal/choice", "internal/absent"},
	"plot":       {"flow", "internal/seed", "internal/choice", "internal/coast"},
	"coupling":   {"flow", "internal/seed", "internal/assign", "internal/choice"},
	"metrics":    {"flow", "internal/seed", "internal/assign", "internal/choice", "internal/stat"},
	"field":      {"engine/native/kernel", "flow", "internal/seed", "path"},
	"discrete":   {"internal/seed", "internal/choice"},                                    // sequences of tokens
	"sde":        {"flow", "internal/seed", "internal/choice", "path", "timegrid", "ode"}, // one Stats with ode
	"likelihood": {"flow", "internal/seed", "internal/memory", "internal/choice", "internal/stat", "ode"},
	// Curved spaces of points: what solvers and training ask of them.
	"manifold": {"flow", "internal/choice"},
	// Ranks and coverage need no classifier; the tests that do are in classify.
	"calibration": {"flow"},

	// Data: the words below, readers and laws on them, one dispatcher on top.
	"data": {"flow", "manifold", "internal/seed", "internal/digest", "internal/stat", "internal/atomicfile",
		"internal/memory", "internal/absent", "internal/choice"},
	// What the columns of a table are: also part of a checkpoint, and so below the readers.
	"data/schema": {"flow", "internal/choice"},
	"data/synth": {"flow", "manifold", "internal/seed", "internal/digest", "internal/memory", "internal/choice",
		"data"},
	"data/table": {"flow", "internal/seed", "internal/digest", "internal/choice", "internal/atomicfile", "data",
		"data/schema", "internal/diskcache", "internal/memory"}, // tables that stay on disk
	"data/text": {"discrete", "internal/seed", "internal/choice", "internal/atomicfile"},
	"data/rows": {"discrete", "data", "data/table", "data/text", "internal/choice"}, // rows as sequences of tokens
	"data/image": {"flow", "internal/seed", "internal/digest", "internal/choice", "data",
		"internal/diskcache", "internal/memory"}, // images that were decoded before
	// Simulators, two of which solve equations. Only the dispatcher and what stands on it know them.
	"data/simulator": {"flow", "internal/seed", "internal/choice", "ode", "data", "data/table"},
	"data/dataset": {"flow", "manifold", "internal/seed", "internal/digest", "internal/memory", "internal/choice",
		"data",
		"data/schema", "data/synth", "data/table", "data/image",
		"data/simulator", "ode"}, // simulations by the name of a simulator, less those whose solve failed

	// Networks on an engine, and what a checkpoint is.
	"nn": {"cluster", "flow", "discrete", "internal/seed", "internal/memory", "internal/choice", "engine/native",
		"engine/native/kernel", "engine/native/machine", "engine/onnx", "engine/onnx/exchange"},
	// Files of other programs, as tensors: a format, and nothing of networks.
	"model/weights": {"internal/atomicfile", "internal/choice"},
	// The names that other programs have for the parts of networks, and what these mean there.
	"model/layout": {"flow", "path", "nn", "data", "model", "model/weights", "internal/choice", "internal/atomicfile",
		"engine/onnx"}, // a decoder of latents from such a file
	"model": {"cluster", "flow", "path", "nn", "timegrid", "ode", "sde", "data", "data/schema", "data/synth",
		"data/image", "likelihood", "field", "manifold", "internal/seed", "internal/memory", "internal/atomicfile",
		"internal/absent", "internal/choice", "internal/stat", "internal/digest", "engine/onnx",
		"discrete", "data/text"}, // a model of tokens has a path, and a vocabulary of its data

	// What makes and uses models.
	"train": {"cluster", "flow", "path", "discrete", "manifold", "nn", "timegrid", "ode", "data", "likelihood", "field",
		"model", "coupling", "internal/seed", "internal/memory", "internal/choice", "internal/stat", "internal/absent",
		"internal/digest"}, // are the weights of all ranks the same?
	"classify": {"flow", "data", "data/image", "nn", "train", "engine/onnx", "internal/choice", "internal/digest",
		"internal/memory", "internal/absent", "internal/atomicfile",
		"internal/seed", "internal/stat"}, // two samples told apart
	"neuralode": {"flow", "ode", "nn", "train", "internal/seed", "internal/absent"},
	"eval": {"flow", "path", "nn", "timegrid", "ode", "sde", "data", "data/image", "likelihood", "model", "classify",
		"metrics", "calibration",
		"data/schema", // rows of a table as what its columns hold
		"internal/seed", "internal/atomicfile", "internal/choice", "internal/stat", "internal/digest"},
	"run": {"flow", "path", "discrete", "manifold", "nn", "timegrid", "ode", "sde", "data", "data/schema", "data/synth",
		"data/table", "data/image", "data/text", "data/rows",
		"data/simulator", "data/dataset",
		"likelihood", "field", "model", "calibration", "coupling", "train", "eval", "plot",
		"model/layout", // the autoencoder whose latents of images are learnt
		"internal/seed", "internal/digest", "internal/memory", "internal/atomicfile", "internal/filelock",
		"internal/tfevents", "internal/settings",
		"internal/choice", "cluster"},
	// An evaluation in words, and as a page with the pictures of its run.
	"report": {"flow", "eval", "model", "plot", "run", "internal/atomicfile", "internal/choice"},
	// Sizes of the native engine are tried there.
	"bench": {"engine/native", "engine/native/machine", "flow", "path", "nn", "ode", "data", "data/synth",
		"data/dataset", "likelihood", "field", "model", "coupling", "train", "metrics", "internal/seed",
		"internal/memory", "internal/child", "internal/choice"},
	// A grid of runs, with the files of those known by name. It trains the classifier that its
	// images are compared by.
	"experiment": {"flow", "path", "nn", "ode", "sde", "data", "data/schema", "data/synth", "data/table", "data/text",
		"discrete",
		"data/simulator", "data/dataset", "likelihood", "calibration",
		"field", "model", "coupling", "train", "classify", "eval", "run", "neuralode", "metrics", "plot",
		"internal/seed", "internal/atomicfile", "internal/settings", "internal/choice", "internal/stat",
		"internal/digest", "internal/child", "internal/memory"},
	// Requests over HTTP.
	"serve": {"client", "flow", "discrete", "timegrid", "ode", "sde", "data/schema", "data/table", "data/text",
		"data/dataset", "model", "eval", "run", "manifold",
		"data/image", // what of an image its model was trained to make the rest from
		"train",      // the events of run.Journal, which it thins
		"serve/page", "serve/lecture", "internal/seed", "internal/memory", "internal/choice"},
	// Files for browsers, and nothing of flows.
	"serve/page": {"internal/coast"}, // maps of browsers have them, too
	// The pictures of the lecture are of exact fields: no network, and no engine.
	"serve/lecture": {"flow", "path", "field", "coupling", "ode", "likelihood", "data/synth", "internal/seed",
		"internal/choice"},
	// Requests as who sends them sees them; a program that asks a service links nothing else.
	"client":        {},
	"cmd/flowmatch": {anyRoom},

	// What another module does, as tests.
	"scripts/library": {},

	// Known answers for tests, of rooms that need no engine. No room's code imports it.
	"flowtest": {"flow", "path", "ode", "field", "coupling", "likelihood", "manifold", "internal/seed"},

	// The package of the module's root is documentation and an example.
	".": {},
}

// testsOnly are rooms that only tests may import.
var testsOnly = map[string]string{
	"flowtest":            "known answers and conformance suites belong to tests, not to the program",
	"internal/browser":    "a browser is for tests of pages",
	"cluster/clustertest": "it runs tests in ranks",
}

// reachEngine are the rooms whose code or tests may depend on nn, directly or
// through others. Everywhere else the mathematics is built and tested without it.
var reachEngine = []string{"nn", "engine/onnx/exchange", "neuralode", "model", "model/layout", "train", "classify",
	"eval", "run", "report", "experiment", "bench", "serve", "cmd/flowmatch", "scripts/library", "."}

// module is a library that is not ours.
type module struct {
	rooms     []string // whose code and tests may import it
	testRooms []string // whose tests may
	why       string
}

// modules are the libraries we use, by module path.
var modules = map[string]module{
	"github.com/gomlx/gomlx": {rooms: []string{"nn", "engine/onnx/exchange"},
		testRooms: []string{"engine/native"},
		why:       "tensors and automatic differentiation; nn is the only room that may know an engine"},
	"github.com/gomlx/compute": {rooms: []string{"nn", "engine/native", "engine/onnx/exchange"},
		why: "the backends of gomlx, of which engine/native is one"},
	"github.com/gomlx/go-xla": {rooms: []string{"nn"},
		why: "the XLA backend of gomlx, behind the build tag xla"},
	"github.com/mmcloughlin/avo": {rooms: []string{"engine/native/kernel", "engine/native/machine"},
		why: "programs that write assembly"},
	"google.golang.org/protobuf": {rooms: []string{"internal/tfevents", "engine/onnx"},
		why: "the wire format of TensorBoard's event files and of ONNX files"},
	"github.com/nlpodyssey/safetensors": {rooms: []string{"model", "model/weights", "model/layout"},
		why: "the file format of a checkpoint, and of weights of others"},
	"github.com/goccy/go-yaml": {
		rooms:     []string{"run", "path", "data", "data/dataset", "experiment", "internal/settings"},
		testRooms: []string{"ode", "likelihood", "nn", "train", "eval", "cmd/flowmatch"},
		why:       "configuration files with positions in error messages"},
	"github.com/agnivade/levenshtein": {rooms: []string{"internal/choice"},
		why: "did you mean ...? for misspelt keys and names"},
	"github.com/dlclark/regexp2/v2": {rooms: []string{"data/text"},
		why: "the patterns of tokenizers, which look ahead and so are none of the standard library"},
	"golang.org/x/text": {rooms: []string{"data/text"}, why: "the normal form NFC, which tokenizers write texts in"},
	"github.com/parquet-go/parquet-go": {rooms: []string{"data/table", "cmd/flowmatch"}, testRooms: []string{"run"},
		why: "tables in Parquet files, and in the torture a whole one to damage"},
	"github.com/xuri/excelize/v2": {rooms: []string{"data/table"}, why: "tables in workbooks of spreadsheets"},
	"github.com/sbinet/npyio":     {testRooms: []string{"data/table"}, why: "NumPy files, to test ours"},
	"github.com/spf13/cobra": {rooms: []string{"cmd/flowmatch"},
		why: "subcommands, flags, help and shell completion"},
	"github.com/spf13/pflag": {rooms: []string{"cmd/flowmatch"}, why: "the flags of cobra"},
	"github.com/danielgtaylor/huma/v2": {rooms: []string{"serve"},
		why: "handlers whose requests are checked by an OpenAPI document that is made of them"},
	"github.com/chromedp/chromedp":        {rooms: []string{"internal/browser"}, why: "pages are tested in a browser"},
	"github.com/chromedp/cdproto":         {rooms: []string{"internal/browser"}, why: "the words of chromedp"},
	"github.com/prometheus/client_golang": {rooms: []string{"serve"}, why: "figures of a service, for Prometheus"},
	"github.com/schollz/progressbar/v3":   {rooms: []string{"cmd/flowmatch"}, why: "progress in a terminal"},
	"golang.org/x/term":                   {rooms: []string{"cmd/flowmatch"}, why: "is the output a terminal?"},
	"golang.org/x/sys": {rooms: []string{"cmd/flowmatch", "engine/native/kernel", "engine/native/machine",
		"internal/atomicfile", "internal/filelock", "internal/memory"},
		why: "what the processor can do; locks of files on Windows; memory outside Linux; room of disks"},
	"golang.org/x/image": {rooms: []string{"plot", "data/image"},
		why: "font weights in the interface of gonum/plot; images brought to one size"},
	"gonum.org/v1/plot": {rooms: []string{"plot"}, why: "text and outlines in pictures"},
	"gonum.org/v1/gonum": {
		rooms: []string{"timegrid", "field", "metrics", "likelihood", "calibration", "data", "data/synth", "data/table",
			"data/simulator", "flowtest", "serve/lecture", "manifold"},
		testRooms: []string{"path", "ode", "coupling", "internal/assign", "nn", "model", "train", "data/schema"},
		why:       "matrix products and factorisations; in tests quadrature and special functions as a second opinion",
	},
}

// bannedStd are packages of the standard library kept out of rooms.
var bannedStd = map[string]struct {
	except []string
	why    string
}{
	"log": {[]string{"cmd/flowmatch"}, "library rooms do not log; they return errors and call observe functions"},
	"log/slog": {[]string{"cmd/flowmatch", "serve"},
		"library rooms do not log; they return errors and call observe functions"},
	"math/rand": {nil, "randomness is an explicit *rand.Rand of math/rand/v2 from internal/seed"},
	"unsafe": {[]string{"nn", "engine/native", "engine/native/kernel", "engine/native/machine",
		"internal/memory", "cluster", "model/weights"},
		"only kernels need it, a call of Windows, the memory that is handed to MPI, and slabs of hundreds of " +
			"megabytes that are written as they lie"},
	"reflect": {[]string{"run", "nn", "model", "engine/native", "internal/settings", "internal/absent",
		"serve"}, // whose answers have schemas by their types
		"plain code reads better"},
}

// cgoTags are the build tags behind which cgo may be used, by room; elsewhere it is xla.
var cgoTags = map[string]string{"cluster": "mpi"}

// cgoTag is that of the rooms that cgoTags does not name.
const cgoTag = "xla"

// cgoModules need cgo, so their importers must be behind cgoTag as well.
var cgoModules = []string{"github.com/gomlx/go-xla"}

// Limits of size.
const (
	maxFile    = 500 // lines
	maxFunc    = 60  // lines; not in tests
	maxColumns = 120 // of a line; a tab counts as tabColumns
	tabColumns = 4
)

// commandLine is the room whose words may name flags: a library's errors name settings
// and values, which the command line translates.
const commandLine = "cmd/flowmatch"

// generated lists the files that a program wrote, with the program. They are
// exempt from the limits of size, and carry the standard marker.
var generated = map[string]string{
	"engine/native/ops.go":                      "engine/native/gen",
	"engine/native/kernel/double_stub_amd64.go": "engine/native/kernel/gen/double",
	"engine/native/kernel/gemm_stub_amd64.go":   "engine/native/kernel/gen/gemm",
	"engine/native/kernel/neon_stub_arm64.go":   "engine/native/kernel/gen/neon",
	"engine/native/kernel/vector_stub_amd64.go": "engine/native/kernel/gen/vector",
	"run/keys_gen.go":                           "internal/settings/gen",
	"run/tokenkeys_gen.go":                      "internal/settings/gen",
}
