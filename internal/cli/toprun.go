package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/uvtep/uvtep/internal/top"
)

const (
	// framesPerSecond is how often the screen is drawn at most: what changes is sent alone, but
	// over a slow line that is enough.
	framesPerSecond = 20
)

// topProgram joins the model, the terminal and what is asked.
type topProgram struct {
	ctx    context.Context //nolint:containedctx // tea's commands have no other
	model  *top.Model
	asker  *topAsker
	asking bool // a list of entries is under way
}

// What comes back from commands.
type (
	lookMsg    top.Look
	entriesMsg top.Entries
	againMsg   struct{}
)

// runTop draws on out until the user or ctx ends it.
func runTop(ctx context.Context, m *top.Model, asker *topAsker, out io.Writer, more ...tea.ProgramOption) error {
	// The profile is said, since tea would run tmux to find it out.
	profile := colorprofile.ANSI
	if !m.Options().Colour {
		profile = colorprofile.ASCII
	}
	options := append([]tea.ProgramOption{
		tea.WithContext(ctx), tea.WithOutput(out), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond), tea.WithColorProfile(profile),
		tea.WithEnvironment(os.Environ()),
	}, more...)
	ctx, stop := context.WithCancel(ctx)
	defer stop() // what is asked for
	_, err := tea.NewProgram(&topProgram{ctx: ctx, model: m, asker: asker}, options...).Run()
	if errors.Is(err, context.Canceled) && !errors.Is(err, tea.ErrProgramPanic) {
		return nil // told to end
	}
	return err
}

// Init begins to look.
func (p *topProgram) Init() tea.Cmd { return p.again() }

// View draws.
func (p *topProgram) View() tea.View {
	v := tea.NewView(p.model.View())
	v.AltScreen = true
	return v
}

// Update takes what happened.
func (p *topProgram) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var next tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		p.model.Resize(msg.Width, msg.Height)
	case tea.PasteMsg:
		p.model.Paste(msg.Content)
	case tea.KeyPressMsg:
		if msg.String() == "ctrl+z" {
			return p, tea.Suspend
		}
		if p.model.Key(msg.String()) {
			return p, tea.Quit
		}
	case againMsg:
		next = func() tea.Msg { return lookMsg(p.asker.look(p.ctx)) }
	case lookMsg:
		p.model.Look(top.Look(msg))
		next = p.again()
	case entriesMsg:
		p.asking = false
		p.model.Entries(top.Entries(msg))
	}
	if q, ask := p.model.Question(time.Now()); ask && !p.asking {
		p.asking = true
		next = tea.Batch(next, func() tea.Msg { return entriesMsg(p.asker.entries(p.ctx, q)) })
	}
	return p, next
}

// again looks at the daemon after the interval, and sooner where there are no rates yet.
func (p *topProgram) again() tea.Cmd {
	wait := p.model.Options().Interval
	if !p.model.Rated() {
		wait = min(wait, time.Second)
	}
	return tea.Tick(wait, func(time.Time) tea.Msg { return againMsg{} })
}
