//go:build !linux

package control

import (
	"context"
	"net"
	"syscall"
)

// Elsewhere the file's mode alone says who may connect, and who may connect may
// write.

func restrictSocket(_, _ string, _ syscall.RawConn) error { return nil }

func lockSocket(string) (unlock func(), err error) { return func() {}, nil }

func withPeer(ctx context.Context, _ net.Conn) context.Context { return ctx }

type peerPolicy struct{}

func newPeerPolicy(*ownSocket) peerPolicy { return peerPolicy{} }

func (peerPolicy) mayWrite(context.Context) error { return nil }

func listenerOf(net.Conn) int { return 0 }
