package shell

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBuild builds the program once, installs it as an image has it, and uses it.
func TestBuild(t *testing.T) {
	s, err := Build(t.Context(), "../..", filepath.Join(t.TempDir(), "work"), runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	root := install(t, s)

	t.Run("every link is a command", func(t *testing.T) {
		out, _ := exec.Command(filepath.Join(root, Place)).CombinedOutput()
		var have []string
		for _, line := range strings.Split(string(out), "\n") {
			if name, ok := strings.CutPrefix(line, " - "); ok {
				have = append(have, name)
			}
		}
		var want []string
		for place, target := range s.Links {
			if target == path.Base(Place) {
				want = append(want, path.Base(place))
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("links (-) and commands (+):\n%s", diff)
		}
	})
	t.Run("modules", func(t *testing.T) {
		for _, want := range []string{"github.com/u-root/u-root", "mvdan.cc/sh/v3", "golang.org/x/term"} {
			i := slices.IndexFunc(s.Modules, func(m *debug.Module) bool { return m.Path == want })
			if i < 0 || s.Modules[i].Version == "" || !strings.HasPrefix(s.Modules[i].Sum, "h1:") {
				t.Errorf("modules have no %s with version and sum", want)
			}
		}
	})

	for _, tt := range []struct{ name, script, want string }{
		{"pipe", `echo b a | cat | wc -w`, "2\n"},
		{"redirection", `echo one > file; echo two >> file; cat < file`, "one\ntwo\n"},
		{"substitution", `echo "$(head -n 1 file) $(ls file)"`, "one file\n"},
		{"loop", `for i in 1 2 3; do echo $i; done | tail -n 1`, "3\n"},
		{"environment", `X=y printenv X`, "y\n"},
		{"status", `false || echo $?`, "1\n"},
		{"parameters", `echo $1-$#`, "arg-1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(root, "script")
			if err := os.WriteFile(file, []byte(tt.script), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := command(t, root, "sh", file, "arg").CombinedOutput()
			if err != nil || string(out) != tt.want {
				t.Errorf("%s = %q, %v; want %q", tt.script, out, err, tt.want)
			}
		})
	}

	t.Run("kill", func(t *testing.T) {
		victim := command(t, root, "sleep", "1000")
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		if out, err := command(t, root, "sh", "-c", fmt.Sprint("kill -9 ", victim.Process.Pid)).CombinedOutput(); err != nil {
			t.Errorf("kill = %v, %s", err, out)
		}
		if err := victim.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("sleep ended with %v, not killed", err)
		}
	})
}

// command is one of the commands installed in root.
func command(t *testing.T, root, name string, args ...string) *exec.Cmd {
	bin := filepath.Join(root, "bbin")
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
	cmd.Dir = root
	cmd.Env = []string{"PATH=" + bin}
	return cmd
}

// install puts a shell into a directory as it would be in the image.
func install(t *testing.T, s *Shell) string {
	root := t.TempDir()
	for _, dir := range []string{"bin", "bbin"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, Place), s.Program, 0o755); err != nil {
		t.Fatal(err)
	}
	for place, target := range s.Links {
		if err := os.Symlink(target, filepath.Join(root, place)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
