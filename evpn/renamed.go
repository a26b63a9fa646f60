package evpn

// HandleLinkRenamed takes that a link has another name from now on. It stays what it is: nothing of it is
// announced anew or taken out of the data plane, unless the agent's file has other settings for the new name.
// A link that had the new name until now is gone.
func (a *Agent) HandleLinkRenamed(was, is string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.links[was]
	if l == nil || was == is {
		return
	}
	a.dropLink(is)
	delete(a.links, was)
	l.Name = is
	a.links[is] = l
	for _, queue := range [][]pending{a.changes, a.failed} {
		for i := range queue {
			if queue[i].link == l {
				queue[i].Link = is
			}
		}
	}
	a.rejoin()
}
