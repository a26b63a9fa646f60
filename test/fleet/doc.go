// Package fleet holds tests only: agents (`uvtep evpn run`) with their data planes in a fabric with
// kernel VTEPs that FRR drives, next to one another and behind the route reflectors of FRR and
// GoBGP, on hosts of test/lab. docs/evpn.md has the same as recipes.
//
// They need bgpd and zebra of FRR and gobgpd, installed and not started: each test starts its own.
package fleet
