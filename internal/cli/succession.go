package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/uvtep/uvtep/internal/handover"
	"github.com/uvtep/uvtep/internal/reload"
	"github.com/uvtep/uvtep/internal/state"
	"github.com/uvtep/uvtep/vtep"
)

// handoverProtocol is what two daemons have in common of which one hands over to the other: the messages, and what is in
// them.
func handoverProtocol() string { return fmt.Sprintf("uvtep-handover/1.%d", state.Version) }

// controlFile is the name of the control socket among descriptors.
const controlFile = "control"

// predecessor is what the daemon before left; nil: there was none.
type predecessor struct {
	files vtep.Descriptors
	state *state.State
	conn  *handover.Conn // it waits there until this daemon could start; nil: it has ended
}

// predecessor takes what the daemon before left: with --take-over that of the one that runs, else that which systemd kept.
func (d *daemon) predecessor() (*predecessor, error) {
	if files := handover.FromSystemd(); len(files) > 0 {
		return &predecessor{files: files}, nil
	}
	if !d.o.takeOver {
		return nil, nil
	}
	c, err := handover.Ask(d.control, handoverProtocol())
	if err != nil {
		return nil, err
	}
	payload, files, err := c.Receive()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	p := &predecessor{files: files, conn: c}
	if p.state, err = state.Decode(payload); err != nil {
		return nil, errors.Join(fmt.Errorf("take over: %w", err), p.close(), p.files.Close())
	}
	return p, nil
}

// take are its descriptors, but for the control socket.
func (p *predecessor) take() vtep.Descriptors {
	files := make(vtep.Descriptors)
	if p != nil {
		for name, some := range p.files {
			if name != controlFile {
				files[name] = some
				delete(p.files, name)
			}
		}
	}
	return files
}

// listener is its control socket; nil: it left none.
func (p *predecessor) listener() *os.File {
	if p == nil || len(p.files[controlFile]) != 1 {
		return nil
	}
	f := p.files[controlFile][0]
	delete(p.files, controlFile)
	return f
}

// ready has it let go of what it left.
func (p *predecessor) ready() error {
	if !p.waits() {
		return nil
	}
	if err := p.conn.Ready(); err != nil {
		return err
	}
	return p.close()
}

// waits reports whether it would serve again if this daemon did not start.
func (p *predecessor) waits() bool { return p != nil && p.conn != nil }

func (p *predecessor) close() error {
	if !p.waits() {
		return nil
	}
	c := p.conn
	p.conn = nil
	return c.Close()
}

// successor is a daemon that takes over.
type successor struct {
	conn *handover.Conn
	done chan struct{} // closed when all is said
}

// handOver answers a daemon that wants to take over, once this one has all that there is to leave.
func (t *turn) handOver(c *net.UnixConn) {
	s := &successor{conn: &handover.Conn{UnixConn: c}, done: make(chan struct{})}
	if !t.loaded.Load() || s.conn.Begun() != nil {
		return
	}
	left, err := t.server.Leave()
	if err != nil {
		t.log.Error("the control socket cannot be left to another daemon", "err", err)
		return
	}
	select {
	case t.asked <- s:
		t.left = left // read once the front has ended, after stop
		t.stop()
		<-s.done
	default: // another one takes over
		_ = left.Close()
	}
}

// leave is what is done when the front has ended: another daemon takes over, or systemd keeps what there is for the next
// one, or all is removed.
func (t *turn) leave(ctx context.Context) (back *predecessor, err error) {
	if t.loaded.Load() && t.saver != nil {
		t.saver.Save()
	}
	select {
	case s := <-t.asked:
		defer close(s.done)
		if ctx.Err() == nil {
			return t.giveTo(s.conn)
		}
	default:
	}
	if handover.Stores() && t.loaded.Load() {
		files, err := t.vtep.Release()
		return nil, errors.Join(err, handover.Store(files), files.Close())
	}
	return nil, nil
}

// giveTo gives all to another daemon. back is what there is to serve again with, where that one cannot start.
func (t *turn) giveTo(c *handover.Conn) (back *predecessor, err error) {
	s, _, err := t.collect()
	if err != nil {
		return nil, err
	}
	payload, err := state.Encode(s)
	if err != nil {
		return nil, err
	}
	if err := t.dir.Close(); err != nil {
		return nil, err
	}
	files, err := t.vtep.Release()
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	if t.left != nil {
		files[controlFile] = []*os.File{t.left}
	}
	if err := c.Give(payload, files); err != nil {
		t.log.Error("the daemon that was to take over could not start, going on", "err", err)
		return &predecessor{files: files, state: s}, nil
	}
	if err := c.Go(); err != nil {
		t.log.Warn("the daemon that takes over is gone", "err", err)
	}
	t.log.Info("another daemon has taken over")
	return nil, files.Close()
}

// configured is what the file and the command line have given.
type configured struct {
	*reload.Configured
	link string // of the command line
}

// HasLink reports whether the file or the command line gave the link.
func (c configured) HasLink(name string) bool { return name == c.link || c.Configured.HasLink(name) }

// collect is what the next daemon cannot know.
func (t *turn) collect() (*state.State, int, error) {
	has := configured{Configured: t.file.configured()}
	if t.link != nil {
		has.link = t.link.Name
	}
	return state.Collect(t.vtep, has)
}

// keepState takes the state's directory, if there is one.
func (t *turn) keepState() (err error) {
	if t.o.state == "" {
		return nil
	}
	if t.dir, err = state.Open(t.o.state); err == nil {
		t.saver = state.NewSaver(t.dir, t.collect, t.log)
	}
	return err
}

// restore gives the VTEP what the daemon before had beside its configuration. What cannot be used is told, and ignored.
func (t *turn) restore() {
	var made, learned *state.Saved
	if t.before != nil && t.before.state != nil {
		made = &state.Saved{State: t.before.state}
		learned = made
	} else if t.dir != nil {
		var err error
		if made, learned, err = t.dir.Load(); err != nil {
			t.log.Error("the state of the daemon before cannot be used, going on without it", "err", oneLine(err))
		}
	}
	if made == nil && learned == nil {
		return
	}
	var is state.Restored
	var errs []error
	if made != nil {
		var err error
		is, err = state.RestoreMade(t.vtep, made)
		errs = append(errs, err, state.Raise(t.vtep, made))
	}
	if learned != nil {
		var err error
		is.Learned, err = state.RestoreLearned(t.vtep, learned)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		t.log.Error("not all of the state of the daemon before could be restored", "err", oneLine(err))
	}
	if is != (state.Restored{}) {
		t.log.Info("the state of the daemon before is restored", "ports", is.Ports, "links", is.Links, "entries", is.Entries, "neighbours", is.Neighbours, "learned", is.Learned)
	}
}

// disinherit closes what the daemon before left and nobody wants.
func (t *turn) disinherit() {
	unused, refused := t.host.Disinherit()
	if refused != nil {
		t.log.Warn("what the daemon before had open does not fit, and was opened anew", "err", oneLine(refused))
	}
	if len(unused) > 0 {
		t.log.Info("what the daemon before had open is not used any more", "names", unused)
	}
}
