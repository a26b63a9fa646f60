// Package evpn joins the links of a data plane to a fabric by BGP EVPN (RFC 7432, with VXLAN as
// in RFC 8365): it announces what is behind the links, chooses among what neighbours announce,
// and has the data plane follow.
//
// An [Agent] holds state alone. It starts no goroutine: its owner calls Run in one, and hands it
// what a BGP speaker hears (it is a bgp.Handler) and what the data plane sees (HandleLink,
// HandleMAC, HandleAddr). These calls change tables and mark what has to be looked at again; Run
// decides, tells the speaker and the data plane the difference, and waits. So there is no queue:
// a burst of changes of one MAC address costs one decision.
//
// In reading order: config, link (what there is); rib, index, routelist, import, segment (what neighbours say);
// local (what the data plane says); mobility, duplicate, decide (who has an address); export,
// install (what others are told); agent, run, plane, ready (when); show, reason (what people see).
package evpn
