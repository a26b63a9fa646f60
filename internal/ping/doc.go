// Package ping asks a remote, layer by layer, until one does not answer: the route, the host
// (ICMP echo), its UDP port, the width of the path (echoes that must not be fragmented), and a
// host of the overlay (ARP or neighbour discovery, through the link's own device). So an
// operator learns which layer fails, instead of that something does.
package ping
