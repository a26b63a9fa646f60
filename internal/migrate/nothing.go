package migrate

import (
	"os"
	"slices"
	"strings"
)

// NothingError says that a source has no VXLAN link that can be kept, and where
// was looked.
type NothingError struct{ Looked []string }

func (e *NothingError) Error() string {
	return "no VXLAN link to print: looked in " + printable(strings.Join(e.Looked, ", "))
}

// madeOf is what an importer returns of its links: where there is none, a
// [NothingError] instead of a file that would take all links away.
func madeOf(links []*fileLink, n *notes, looked []string) (file []byte, told []string, err error) {
	file, err = fileOf(links, n)
	return OrNothing(looked, file, *n, err)
}

// OrNothing is what an importer that does not know where its input is from made,
// with a [NothingError] instead of a file without links.
func OrNothing(looked []string, file []byte, told []string, err error) ([]byte, []string, error) {
	if err == nil && string(file) == noLinks {
		return nil, told, &NothingError{looked}
	}
	return file, told, err
}

// there are the directories that there are.
func there(dirs []string) []string {
	return slices.DeleteFunc(dirs, func(dir string) bool {
		info, err := os.Stat(dir)
		return err != nil || !info.IsDir()
	})
}

// noLinks is a file without links.
const noLinks = "links: []\n"

// tellKernelMTU tells of the MTU that the kernel gives a link without dev,
// whatever the route takes (ether_setup in net/ethernet/eth.c).
func tellKernelMTU(l *fileLink, n *notes) {
	n.addf(l.at, "mtu %d of %s is left out: the kernel gives it to a link without dev, uvtep takes what fits the route; write mtu: %[1]d to keep it", etherMTU, l.name)
}
