package main

import (
	"fmt"
	"io"

	"github.com/uvtep/uvtep/control"
)

// showOwn prints the words of uvtep's own that were given.
func showOwn(w io.Writer, s *control.LinkSpec) {
	if s.GBPID != nil {
		fmt.Fprintf(w, " gbpid %d", *s.GBPID)
	}
}

// ownSpecJSON has what showOwn prints.
func ownSpecJSON(j *jsonWriter, s *control.LinkSpec) {
	if s.GBPID != nil {
		j.value("gbpid", *s.GBPID)
	}
}
