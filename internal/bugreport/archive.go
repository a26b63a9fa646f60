package bugreport

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Archive is a tar.gz under way. Its parts are in a directory called as the archive is. What is
// hidden by Hide is in no part that is added later, nor in the list of parts.
type Archive struct {
	dir     string
	now     time.Time
	zip     *gzip.Writer
	tar     *tar.Writer
	list    strings.Builder
	secrets [][]byte
	err     error
}

// maxPart is how many bytes a part may have. A longer one is cut.
const maxPart = 16 << 20

// New begins an archive.
func New(w io.Writer, dir string, now time.Time) *Archive {
	zip := gzip.NewWriter(w)
	return &Archive{dir: dir, now: now, zip: zip, tar: tar.NewWriter(zip)}
}

// removed stands where a secret was.
const removed = "REMOVED"

// leastSecret is the length of the shortest secret that is looked for in all parts: a shorter
// one would be found in words that have nothing to do with it.
const leastSecret = 4

// Hide has a secret left out of all parts, wherever it stands.
func (a *Archive) Hide(secret string) {
	if s := strings.TrimSpace(secret); len(s) >= leastSecret {
		a.secrets = append(a.secrets, []byte(s))
	}
}

// Add adds a part, about says in a line what it is.
func (a *Archive) Add(name, about string, content []byte) {
	note := ""
	if len(content) > maxPart {
		content, note = content[:maxPart], ", cut"
	}
	for _, s := range a.secrets {
		content = bytes.ReplaceAll(content, s, []byte(removed))
	}
	fmt.Fprintf(&a.list, "%-18s %s (%d bytes%s)\n", name, about, len(content), note)
	a.put(name, content)
}

// Missing notes a part that could not be had.
func (a *Archive) Missing(name, about string, err error) {
	text := fmt.Sprintf("%-18s %s: not here: %v\n", name, about, err)
	for _, s := range a.secrets {
		text = strings.ReplaceAll(text, string(s), removed)
	}
	a.list.WriteString(text)
}

func (a *Archive) put(name string, content []byte) {
	if a.err != nil {
		return
	}
	h := &tar.Header{Name: a.dir + "/" + name, Mode: 0o600, Size: int64(len(content)), ModTime: a.now, Format: tar.FormatPAX}
	if a.err = a.tar.WriteHeader(h); a.err == nil {
		_, a.err = a.tar.Write(content)
	}
}

// Close adds the list of the parts, and ends the archive.
func (a *Archive) Close() error {
	a.put("README", []byte("What uvtep bugreport collected. docs/seeing.md says what each part has; secrets of configuration files were\nremoved. Read it before you give it away: it has addresses, names of devices and links, routes and log lines.\n\n"+a.list.String()))
	return errors.Join(a.err, a.tar.Close(), a.zip.Close())
}
