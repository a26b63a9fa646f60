// Package control is how uvtep's daemon is told what to do: the server of HTTP and
// JSON on a unix socket, and the conversion between the types that travel, which
// are package api's, and the core's. Package client asks it. There is no forwarding
// logic here.
//
// docs/api.md has the paths and the codes, docs/openapi.yaml each field.
package control
