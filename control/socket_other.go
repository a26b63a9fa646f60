//go:build !linux

package control

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/uvtep/uvtep/internal/conns"
)

// Elsewhere the file's mode alone says who may connect, and who may connect may
// write.

func restrictSocket(_, _ string, _ syscall.RawConn) error { return nil }

func lockSocket(string) (unlock func(), err error) { return func() {}, nil }

func withPeer(ctx context.Context, c net.Conn) context.Context { return conns.Context(ctx, c) }

type peerPolicy struct{}

func newPeerPolicy(*ownSocket) peerPolicy { return peerPolicy{} }

func (peerPolicy) mayWrite(context.Context) error { return nil }

func (peerPolicy) mayTakeOver(context.Context) error { return errors.ErrUnsupported }
