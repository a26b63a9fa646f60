// Package client is for programs that drive a uvtep daemon on this host: a
// controller that gives entries, an agent that makes links, a probe that
// listens. It is HTTP and JSON over the daemon's unix socket, described in
// docs/api.md.
//
//	c := client.New(client.DefaultPath)
//	defer c.Close()
//	err := c.ChangeFDB(ctx, client.Replace, api.FDBEntry{
//		Dev: "vxlan0", MAC: "02:00:00:00:00:07", Dst: netip.MustParseAddr("192.0.2.7"), ExternLearn: true,
//	})
//
// A Client is safe for concurrent use. Writing takes root, the daemon's user or
// membership in the socket's group. Errors are told apart with errors.Is.
package client
