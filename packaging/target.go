package packaging

// Target is a machine that there are binaries for.
type Target struct {
	Name string   // in the names of files
	Arch string   // nfpm's name, from which it makes the distributions'
	Env  []string // of the Go tool
	RPM  bool     // a distribution with .rpm packages runs there
}

// Targets are all of them. Where an architecture has several levels, the code is that of the lowest that systems of the
// name have; small MIPS routers have no floating-point unit.
func Targets() []Target {
	return []Target{
		{"amd64", "amd64", []string{"GOARCH=amd64", "GOAMD64=v1"}, true},
		{"arm64", "arm64", []string{"GOARCH=arm64", "GOARM64=v8.0"}, true},
		{"armv7", "arm7", []string{"GOARCH=arm", "GOARM=7"}, true},
		{"mips", "mips", []string{"GOARCH=mips", "GOMIPS=softfloat"}, false},
		{"mipsle", "mipsle", []string{"GOARCH=mipsle", "GOMIPS=softfloat"}, false},
		{"riscv64", "riscv64", []string{"GOARCH=riscv64", "GORISCV64=rva20u64"}, true},
	}
}
