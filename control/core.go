package control

import "github.com/uvtep/uvtep/vtep"

// Entry is the core's form of e.
func (e *FDBEntry) Entry() (vtep.FDBEntry, error) { return e.entry() }
