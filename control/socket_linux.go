package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/conns"
)

// restrictSocket gives the socket its mode before it has a name: bind takes it
// over (unix_bind_bsd in net/unix/af_unix.c), so that there is no moment at
// which everybody may connect.
func restrictSocket(_, _ string, c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), uint32(socketMode)) }); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("fchmod", err)
}

// peer is who connected, as the kernel says (SO_PEERCRED, SO_PEERGROUPS in
// unix(7)): at the time of connecting.
type peer struct {
	uid    uint32
	groups []uint32
}

type peerKey struct{}

// withPeer keeps a connection's peer for its requests.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	ctx = conns.Context(ctx, c)
	if l, ok := c.(*conns.Conn); ok {
		c = l.Inner()
	}
	if u, ok := c.(*net.UnixConn); ok {
		if p, err := peerOf(u); err == nil {
			return context.WithValue(ctx, peerKey{}, p)
		}
	}
	return ctx
}

func peerOf(c *net.UnixConn) (p peer, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return p, err
	}
	cerr := raw.Control(func(fd uintptr) {
		cred, cerr := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if cerr != nil {
			err = os.NewSyscallError("getsockopt SO_PEERCRED", cerr)
			return
		}
		p.uid = cred.Uid
		p.groups = append(peerGroups(int(fd)), cred.Gid)
	})
	return p, errors.Join(err, cerr)
}

// peerGroups are the peer's supplementary groups, none where the kernel does
// not tell (before 4.13).
func peerGroups(fd int) []uint32 {
	groups := make([]uint32, 64)
	for range 2 { // a second time where 64 are not enough
		size := uint32(len(groups) * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4]
		case errno != unix.ERANGE:
			return nil
		}
		groups = make([]uint32, size/4)
	}
	return nil
}

// peerPolicy says who may change things: root, the daemon's user, and the group
// that the socket's file has at the time, so that `chgrp` lets a group in.
type peerPolicy struct {
	uid    uint32
	socket *ownSocket // its group counts, that of another file at its path does not
}

func newPeerPolicy(s *ownSocket) peerPolicy { return peerPolicy{uid: uint32(os.Geteuid()), socket: s} }

// mayTakeOver lets root and the daemon's user have what the daemon has open.
func (p peerPolicy) mayTakeOver(ctx context.Context) error {
	if who, ok := ctx.Value(peerKey{}).(peer); ok && (who.uid == 0 || who.uid == p.uid) {
		return nil
	}
	return fmt.Errorf("%w: be root or user %d to take over", api.ErrDenied, p.uid)
}

func (p peerPolicy) mayWrite(ctx context.Context) error {
	who, ok := ctx.Value(peerKey{}).(peer)
	if ok && (who.uid == 0 || who.uid == p.uid) {
		return nil
	}
	info, ours := p.socket.stat()
	if !ours {
		return fmt.Errorf("%w: be root or user %d to change links and entries; the socket's file is not the daemon's any more", api.ErrDenied, p.uid)
	}
	gid := info.Sys().(*syscall.Stat_t).Gid
	if ok && slices.Contains(who.groups, gid) {
		return nil
	}
	return fmt.Errorf("%w: be root, user %d or of group %d to change links and entries", api.ErrDenied, p.uid, gid)
}
