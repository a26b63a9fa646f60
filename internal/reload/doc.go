// Package reload keeps a VTEP as its configuration file says: at the start,
// when the file is read again, and when the addresses of a name change. It
// applies differences: to what the file said before, not to what the VTEP is,
// so that what others changed through the control API stays, and a link that
// the file did not change is not touched.
package reload
