// Package names resolves host names to addresses and says for how long an
// answer holds: Go's own resolver with /etc/hosts, /etc/resolv.conf, search
// domains, retries and TCP, and the TTL read off the answers that it gets.
package names
