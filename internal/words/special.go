package words

// rename is the name of the link; on a change, the new one.
func rename() Value {
	at := func(l *link) **string { return new(&l.Name) }
	v := name("NEW-NAME", "vxlan1", at)
	v.get = func(l *link) any {
		if l.Name == "" {
			return nil
		}
		return l.Name
	}
	v.read = func(s *Sentence, word string, l *link) error {
		n, err := s.Value(word, v.Arg)
		if err == nil {
			l.Name, err = n, AsUsage(ValidName(n))
		}
		return err
	}
	return v
}

// proxy is a flag, or `proxy learn`. That learn is no word of its own: ip completes it to
// learning.
func proxy() Value {
	v := flag(func(l *link) **bool { return &l.Proxy })
	plain := v.read
	v.Arg = "[learn]"
	v.read = func(s *Sentence, word string, l *link) error {
		if word == "proxy" && len(s.Rest) > 0 && s.Rest[0] == "learn" {
			s.Rest = s.Rest[1:]
			l.ProxyLearn = new(true)
		}
		return plain(s, word, l)
	}
	return v
}

// proxyLearn is set by `proxy learn` alone.
func proxyLearn() Value {
	v := flag(func(l *link) **bool { return &l.ProxyLearn })
	v.read, v.Samples = nil, []string{"on"}
	return v
}

// up is a flag whose opposite is down.
func up() Value {
	f := func(l *link) **bool { return &l.Up }
	v := flag(f)
	v.off = "down"
	v.read = func(_ *Sentence, word string, l *link) error {
		*f(l) = new(word == "up")
		return nil
	}
	return v
}

// queues are as many for either way, as those of a TAP are: ip's rxqueues may stand beside
// its txqueues, with the same number.
func queues() Value {
	const most = 256 // MAX_TAP_QUEUES, drivers/net/tun.c
	v := number("N", 1, most, func(l *link) **int { return &l.Queues })
	plain := v.read
	v.read = func(s *Sentence, word string, l *link) error {
		before := l.Queues
		if err := plain(s, word, l); err != nil {
			return err
		}
		if before != nil && *before != *l.Queues {
			return Usagef("%s %d beside %d queues: the device has as many for either way, write one number", word, *l.Queues, *before)
		}
		return nil
	}
	return v
}

// master is a device; nomaster stands for none.
func master() Value {
	v := name("DEVICE", "br0", func(l *link) **string { return &l.Master })
	v.off = "nomaster"
	v.read = func(s *Sentence, word string, l *link) error {
		dev := ""
		if word == "master" {
			var err error
			if dev, err = s.Value(word, "DEVICE"); err != nil {
				return err
			}
			if err := ValidName(dev); err != nil {
				return Usagef("%s: %v", word, err)
			}
		}
		l.Master = &dev
		return nil
	}
	return v
}
