// Package control is how uvtep's daemon is told what to do: HTTP and JSON on a
// unix socket, a server, a client, and the types that travel between them.
//
// The wire types are kept apart from the core's, so that either can change
// without the other: LinkSpec, LinkChange, Link, FDBEntry, FDBFilter. Their
// JSON and YAML keys are the words of the link sentence that iproute2's users
// know. There is no forwarding logic here.
//
//	GET    /v1/version
//	GET    /v1/stats                 Stats of what belongs to no link
//	GET    /v1/monitor?what=link,... Event, a line each, until the client ends; dev=NAME of one link
//	GET    /v1/links                 [Link]
//	POST   /v1/links                 LinkChange -> Link
//	GET    /v1/links/{name}          Link
//	PATCH  /v1/links/{name}          LinkChange -> Link
//	DELETE /v1/links/{name}
//	GET    /v1/fdb?dev=NAME&...      [FDBEntry], keys as FDBFilter's
//	POST   /v1/fdb/add               FDBEntry; also append, replace, del
//	POST   /v1/fdb/flush             FDBFilter -> {"flushed": n}
//
// Errors are {"error": "...", "code": "..."} with a matching HTTP status.
package control
