package conformance

import (
	"flag"
	"os"
	"testing"

	"github.com/uvtep/uvtep/internal/cli"
	"github.com/uvtep/uvtep/test/lab"
)

// noOffload is for the daemons of all tests: what they do on the wire must not
// depend on offloads.
var noOffload = flag.String("no-offload", "", "what `uvtep run --no-offload` is given: tap,udp-gso,udp-gro,filter")

// tunnelGSO is for them as well: nor must it depend on how superframes leave.
var tunnelGSO = flag.String("tunnel-gso", "auto", "what `uvtep run --tunnel-gso` is given: off, auto or on")

// txRing is for them as well: nor must it depend on whether copies leave by a ring.
var txRing = flag.String("tx-ring", "off", "what `uvtep run --tx-ring` is given: off, auto or on")

// uvtep is the path of the program under test: this binary, started as uvtep.
var uvtep string

func TestMain(m *testing.M) { os.Exit(lab.TestProgram(m, "uvtep", cli.Main, &uvtep)) }
