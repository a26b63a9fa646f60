// Package handover brings what a daemon has open, and a description of the rest, to the process that comes after it: over
// a unix socket where both run for a moment, or through systemd's file descriptor store where one starts after the other
// has ended. At every moment at most one of the two reads what is open.
package handover
