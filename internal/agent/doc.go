// Package agent is `uvtep evpn run`: it joins a BGP speaker (package bgp) and the EVPN rules
// (package evpn) with the data plane (package client), by a configuration file.
//
// The agent needs no privilege: it dials BGP's port, and the data plane's control socket, of
// whose group its user has to be. It answers on a socket of its own what `uvtep evpn show` asks.
package agent
