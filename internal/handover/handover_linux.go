package handover

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Path is where the control API hands over, by an upgrade of the connection to Protocol.
const Path = "/v1/handover"

// The messages after the upgrade, a byte each but for what is given:
//
//	new: begin     it is ready to receive, and the old one stops
//	old: a head, the payload, and the descriptors in parts, each beside a byte
//	new: ready     it could start
//	old: go        it never reads again; without this the new one must not
const (
	begin = 'B'
	part  = 'D'
	ready = 'R'
	goOn  = 'G'
)

const (
	// partLen is how many descriptors go with a message; the kernel takes 253 (SCM_MAX_FD in include/net/scm.h).
	partLen = 128
	// Most is how many descriptors there are at most, and maxPayload how many bytes of the payload.
	Most       = 1 << 16
	maxPayload = 64 << 20
	maxHead    = 16 << 20
	// stepTimeout is how long the other side may take to send what it is about to send.
	stepTimeout = 30 * time.Second
	// startTimeout is how long a new daemon may take to get ready: thousands of links take 12 s.
	startTimeout = 120 * time.Second
)

// head says what follows it.
type head struct {
	Payload int
	Names   []name
}

type name struct {
	Name  string
	Files int
}

// Conn is the connection of two daemons. The zero value is of no use.
type Conn struct{ *net.UnixConn }

// Ask asks the daemon on the control socket at path to hand over by protocol. It goes on until Receive. A daemon of another
// user is not asked, unless it is root's.
func Ask(path, protocol string) (*Conn, error) {
	c, err := net.DialTimeout("unix", path, stepTimeout)
	if err != nil {
		return nil, fmt.Errorf("take over: no daemon answers on %s: start without --take-over: %w", path, err)
	}
	u := c.(*net.UnixConn)
	err = trusts(u)
	if err == nil {
		err = upgrade(u, protocol)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take over: %w", err), u.Close())
	}
	return &Conn{u}, nil
}

// trusts refuses to take what a process of another user gives: the links and the sockets of this daemon would be as that
// user says. The kernel tells as who the other end listens (SO_PEERCRED in unix(7)).
func trusts(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var who *unix.Ucred
	cerr := raw.Control(func(fd uintptr) { who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(os.NewSyscallError("getsockopt SO_PEERCRED", err), cerr); err != nil {
		return err
	}
	return trustsUser(who.Uid, uint32(os.Geteuid()))
}

func trustsUser(who, self uint32) error {
	if who != 0 && who != self {
		return fmt.Errorf("the daemon that runs is user %d's, and this one user %d's: start this one as that user", who, self)
	}
	return nil
}

// upgrade makes the connection one of the protocol. The server sends nothing behind its answer until begin.
func upgrade(u *net.UnixConn, protocol string) error {
	if err := u.SetDeadline(time.Now().Add(stepTimeout)); err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, "http://uvtep"+Path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", protocol)
	if err := req.Write(u); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(u), req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
		return fmt.Errorf("the daemon refuses (%s): %s", answer.Status, text)
	}
	return nil
}

// Receive has the other daemon stop and give what it has. The files are the caller's.
func (c *Conn) Receive() (payload []byte, files map[string][]*os.File, err error) {
	if err := c.say(begin); err != nil {
		return nil, nil, err
	}
	if payload, files, err = c.receive(); err != nil {
		return nil, nil, fmt.Errorf("take over: %w", err)
	}
	return payload, files, nil
}

func (c *Conn) receive() (payload []byte, files map[string][]*os.File, err error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxHead {
		return nil, nil, errors.New("the other daemon says too much")
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(c, text); err != nil {
		return nil, nil, err
	}
	var h head
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, nil, err
	}
	total := 0
	for _, n := range h.Names {
		if n.Files < 0 || n.Files > Most-total {
			return nil, nil, fmt.Errorf("the other daemon tells of %d descriptors %q: there are 0 to %d", n.Files, n.Name, Most)
		}
		total += n.Files
	}
	if h.Payload < 0 || h.Payload > maxPayload {
		return nil, nil, fmt.Errorf("the other daemon tells of a payload of %d bytes: it has 0 to %d", h.Payload, maxPayload)
	}
	payload = make([]byte, h.Payload)
	if _, err := io.ReadFull(c, payload); err != nil {
		return nil, nil, err
	}
	var all []*os.File
	for len(all) < total && err == nil {
		var some []*os.File
		some, err = c.receivePart()
		all = append(all, some...)
	}
	if err == nil && len(all) != total {
		err = fmt.Errorf("%d descriptors came, %d were told of", len(all), total)
	}
	if err != nil {
		for _, f := range all {
			_ = f.Close()
		}
		return nil, nil, err
	}
	files = make(map[string][]*os.File)
	for _, n := range h.Names {
		files[n.Name], all = all[:n.Files:n.Files], all[n.Files:]
	}
	return payload, files, nil
}

// receivePart reads the descriptors beside one byte.
func (c *Conn) receivePart() (files []*os.File, err error) {
	b, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4*partLen))
	n, oobn, flags, _, err := c.ReadMsgUnix(b, control)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:oobn])
	for i := range messages {
		fds, perr := unix.ParseUnixRights(&messages[i])
		err = errors.Join(err, perr)
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "handed over"))
		}
	}
	if n != 1 || b[0] != part || flags&unix.MSG_CTRUNC != 0 || len(files) == 0 {
		err = errors.Join(err, errors.New("the other daemon's descriptors did not come whole: raise the limit of open files"))
	}
	return files, err
}

// Ready tells the other daemon that this one could start. It may, where there is no error: the other one reads no more.
func (c *Conn) Ready() error {
	if err := errors.Join(c.SetDeadline(time.Now().Add(stepTimeout)), c.say(ready), c.hear(goOn)); err != nil {
		return fmt.Errorf("take over: the daemon before does not let go: %w", err)
	}
	return nil
}

// Begun waits until the new daemon says that it is ready to receive.
func (c *Conn) Begun() error {
	return errors.Join(c.SetDeadline(time.Now().Add(stepTimeout)), c.hear(begin))
}

// Give gives what the daemon has, and waits until the new one is ready. An error says that the new one will not start:
// this one may go on. Go has to follow where there is none.
func (c *Conn) Give(payload []byte, files map[string][]*os.File) error {
	if err := c.give(payload, files); err != nil {
		return err
	}
	return errors.Join(c.SetDeadline(time.Now().Add(startTimeout)), c.hear(ready))
}

// Go lets the new daemon start. Whatever comes of it, this one must not read again.
func (c *Conn) Go() error { return c.say(goOn) }

func (c *Conn) give(payload []byte, files map[string][]*os.File) error {
	h := head{Payload: len(payload)}
	var fds []int
	for n, some := range files {
		h.Names = append(h.Names, name{n, len(some)})
		for _, f := range some {
			fd, err := number(f)
			if err != nil {
				return err
			}
			fds = append(fds, fd)
		}
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := c.SetDeadline(time.Now().Add(stepTimeout)); err != nil {
		return err
	}
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	if _, err := c.Write(append(b, payload...)); err != nil {
		return err
	}
	for some := range slices.Chunk(fds, partLen) {
		if _, _, err := c.WriteMsgUnix([]byte{part}, unix.UnixRights(some...), nil); err != nil {
			return err
		}
	}
	return nil
}

// number is the number of a descriptor, which stays as it is: os.File.Fd would have it block.
func number(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	err = raw.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

func (c *Conn) say(b byte) error {
	_, err := c.Write([]byte{b})
	return err
}

func (c *Conn) hear(want byte) error {
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	if b[0] != want {
		return fmt.Errorf("the other daemon says %q, not %q", b[0], want)
	}
	return nil
}
