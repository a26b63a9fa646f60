package underlay

import "golang.org/x/sys/unix"

// TakeErrors is what ICMP said of packets since the call before. It looks where
// the kernel has something to say, by one poll(2): a socket whose remote is
// refused may send too rarely to find that out by itself.
func (t *Transmitter) TakeErrors() []ICMPError {
	fds := make([]unix.PollFd, len(t.sockets))
	for i := range t.sockets {
		fds[i].Fd = t.sockets[i].fd
	}
	// A descriptor that was closed meanwhile, and is another file's by now, is not
	// read: drain asks the os.File.
	n, err := unix.Poll(fds, 0)
	if err == nil && n > 0 {
		var queue errorQueue
		queue.init()
		for i := range fds {
			if fds[i].Revents&unix.POLLERR != 0 {
				queue.drain(&t.sockets[i], t)
			}
		}
	}
	return t.icmp.take()
}
