package packages_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// imageOf does in dir what the Containerfile says, with this test's binary as the static one, and the libraries that it
// needs; or takes the files of -image. It returns what the image starts.
func imageOf(t *testing.T, dir string) []string {
	t.Helper()
	put := func(from, to string) {
		to = filepath.Join(dir, to)
		check(t, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, must(os.ReadFile(from))(t), 0o755))
	}
	if *image != "" {
		check(t, os.CopyFS(dir, os.DirFS(*image)))
	}
	var entry, cmd []string
	for line := range strings.Lines(string(must(os.ReadFile("../../packaging/container/Containerfile"))(t))) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "COPY":
			if *image != "" {
				continue
			}
			from, to, _ := strings.Cut(rest, " ")
			if strings.HasPrefix(from, "dist/uvtep-linux-") {
				put(exe, to)
			} else {
				put(filepath.Join("../..", from), to)
			}
		case "WORKDIR":
			check(t, os.MkdirAll(filepath.Join(dir, rest), 0o755))
		case "ENTRYPOINT":
			check(t, json.Unmarshal([]byte(rest), &entry))
		case "CMD":
			check(t, json.Unmarshal([]byte(rest), &cmd))
		}
	}
	if *image != "" {
		return append(entry, cmd...)
	}
	libraries, _ := exec.Command("ldd", exe).Output() // a static binary has none
	for _, library := range regexp.MustCompile(`/\S+`).FindAllString(string(libraries), -1) {
		if !strings.HasSuffix(library, ":") {
			put(library, library)
		}
	}
	return append(entry, cmd...)
}

// TestContainer: what the Containerfile makes is a root that a daemon runs in, read-only but for two directories, with two
// capabilities (and that of chroot, which the test needs). Unless -image has what a builder of images made, the test does
// what one does.
func TestContainer(t *testing.T) {
	lab.NeedKernelVXLAN(t)
	l := lab.ForTest(t)
	a, b := must(l.Host("a"))(t), must(l.Host("b"))(t)
	w := must(l.Wire(a, b, lab.WireOptions{}))(t)
	check(t, a.AddAddr(w.A, prefix("192.0.2.1/24")), b.AddAddr(w.B, prefix("192.0.2.2/24")),
		b.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: addr("192.0.2.2"), Remote: addr("192.0.2.1")}), b.SetMTU("vxlan0", 1400),
		b.SetUp("vxlan0", true), b.AddAddr("vxlan0", prefix("198.51.100.2/24")))
	dir := t.TempDir()
	command := imageOf(t, dir)
	check(t, os.Mkdir(filepath.Join(dir, "dev"), 0o755), os.Mkdir(filepath.Join(dir, "proc"), 0o755))
	const run = `cd "$1"; shift
	mount --bind . . && cd "$PWD" && mount -t proc proc proc && mount -t tmpfs tmpfs dev && mount -t tmpfs -o mode=0755 tmpfs run/uvtep && mount -t tmpfs -o mode=0700 tmpfs var/lib/uvtep
	mkdir dev/net && mknod -m 666 dev/net/tun c 10 200 && mknod -m 666 dev/null c 1 3
	mount -o remount,ro,bind .
	exec setpriv --bounding-set=-all,+net_admin,+bpf,+sys_chroot --inh-caps=-all chroot . "$@"`
	p := must(a.Start(lab.Command{Path: "unshare", Args: append([]string{"--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", run, "container", dir}, command...)}))(t)
	check(t, p.WaitStderr("uvtep: ready\n", soon))
	socket := filepath.Join("/proc", childOf(t, p.Pid()), "root/run/uvtep/uvtep.sock")
	for _, line := range []string{"link add vxlan0 type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 up", "link show vxlan0"} {
		if _, errs, err := a.Run(t.Context(), exe, append([]string{"--control", socket}, strings.Fields(line)...)...); err != nil {
			t.Fatalf("%s: %v: %s; %s", line, err, errs, p.Stderr())
		}
	}
	check(t, a.AddAddr("vxlan0", prefix("198.51.100.1/24")), a.MustReach(addr("198.51.100.2"), 56, soon))
	status := string(must(os.ReadFile(filepath.Join("/proc", childOf(t, p.Pid()), "status")))(t))
	if !strings.Contains(status, "CapEff:\t0000008000041000\n") {
		t.Errorf("the daemon has other capabilities:\n%s", status)
	}
}
