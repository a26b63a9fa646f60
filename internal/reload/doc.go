// Package reload keeps a VTEP as its configuration file describes it: at the start,
// when the file is read again, and when the addresses of a name change. It
// applies the differences from the file before, not from the present VTEP:
// what clients changed through the control API stays, and a link that
// did not change in the file is not touched.
package reload
