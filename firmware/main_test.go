package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"aes67os/board"
)

// asCommand makes this test's program the command under test.
const asCommand = "AES67OS_TEST_FIRMWARE"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// firmware runs the command in an empty directory and returns what it prints.
func firmware(t *testing.T, env []string, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), asCommand+"=1"), env...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return out.String(), complaints.String(), cmd.ProcessState.ExitCode()
}

const usage = `Usage: firmware COMMAND [-h] …
  build                  build the image of a board
  run [IMAGE]            start an image in QEMU
  inspect IMAGE          tell what is in an image
  flash DEVICE           write an image to a card or disk, and verify it
`

func TestCommandLine(t *testing.T) {
	nothing := t.TempDir()
	image := filepath.Join(nothing, "a.img")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		env  []string
		args []string
		exit int
		// want are parts of what is printed as an error.
		want []string
	}{
		{"nothing", nil, nil, 2, []string{usage}},
		{"help", nil, []string{"-h"}, 2, []string{usage}},
		{"unknown command", nil, []string{"burn", "/dev/sdb"}, 2, []string{"firmware has no command \"burn\".\n\n" + usage}},
		{"help of a command", nil, []string{"build", "-h"}, 2, []string{"Usage of firmware build:", "-ravenna-module file", "(default \"x86-64\")"}},
		{"unknown flag", nil, []string{"build", "-fast"}, 1, []string{"firmware: flag provided but not defined: -fast", "Usage of firmware build:"}},
		{"flag without value", nil, []string{"run", "-port"}, 1, []string{"flag needs an argument: -port"}},
		{"port is no number", nil, []string{"run", "-port", "http"}, 1, []string{`invalid value "http" for flag -port`}},

		{"build for an unknown board", nil, []string{"build", "-board", "amiga"}, 1, []string{`no board is called "amiga"; there are: x86-64`}},
		{"build without source", nil, []string{"build", "-source", filepath.Join(nothing, "no")}, 1, []string{"SOURCE_DATE_EPOCH"}},

		{"run for an unknown board", nil, []string{"run", "-board", "amiga"}, 1, []string{`no board is called "amiga"`}},
		{"run before build", nil, []string{"run"}, 1, []string{"out/aes67os-x86-64.img: no such file", "build one with: make image\n"}},
		{"run before debug build", nil, []string{"run", "-debug"}, 1, []string{"out/aes67os-x86-64-debug.img: no such file", "build one with: make debug-image\n"}},
		{"run what is not there", nil, []string{"run", "old.img"}, 1, []string{"old.img: no such file"}},
		{"run without QEMU", []string{"PATH=" + nothing}, []string{"run", image}, 1, []string{"qemu-system-x86_64 is not installed; on Debian: apt-get install qemu-system-x86"}},

		{"inspect nothing", nil, []string{"inspect"}, 1, []string{"inspect takes one image"}},
		{"inspect two images", nil, []string{"inspect", "a.img", "b.img"}, 1, []string{"inspect takes one image"}},
		{"inspect what is not there", nil, []string{"inspect", "old.img"}, 1, []string{"old.img: no such file"}},

		{"flash nothing", nil, []string{"flash"}, 1, []string{"flash takes one disk", "lsblk"}},
		{"flash two disks", nil, []string{"flash", "/dev/sdb", "/dev/sdc"}, 1, []string{"flash takes one disk"}},
		{"flash for an unknown board", nil, []string{"flash", "-board", "amiga", "/dev/null"}, 1, []string{`no board is called "amiga"`}},
		{"flash what is no image", nil, []string{"flash", "-yes", "-image", image, "/dev/null"}, 1, []string{image + ": not a disk image"}},
		{"flash before build", nil, []string{"flash", "-yes", "/dev/null"}, 1, []string{"out/aes67os-x86-64.img: no such file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Nothing of the surroundings may give a build its time.
			env := append([]string{"SOURCE_DATE_EPOCH="}, test.env...)
			stdout, stderr, exit := firmware(t, env, test.args...)
			if exit != test.exit {
				t.Errorf("firmware %q exits with %d; want %d", test.args, exit, test.exit)
			}
			for _, part := range test.want {
				if !strings.Contains(stderr, part) {
					t.Errorf("firmware %q says\n%s\nwant it to have\n%s", test.args, stderr, part)
				}
			}
			if stdout != "" {
				t.Errorf("firmware %q prints %q beside the error", test.args, stdout)
			}
		})
	}
}

// runCommand starts the machine with a shell script in QEMU's place, and the
// machine's end is the command's.
func TestRun(t *testing.T) {
	b, err := board.ByName("x86-64")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\necho booted\nfor a; do echo \"argument $a\"; done\n"
	if err := os.WriteFile(filepath.Join(bin, b.QEMU.Binary), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(bin, "a.img")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	stdout, stderr, exit := firmware(t, []string{"PATH=" + bin, "TMPDIR=" + temp}, "run", "-port", "20080", "-memory", "300", image)
	if exit != 0 {
		t.Fatalf("firmware run exits with %d: %s", exit, stderr)
	}
	for _, part := range []string{
		"Starting a.img.", "http://127.0.0.1:20080/\n", "booted\n", "argument 300\n", "hostfwd=tcp:127.0.0.1:20080-:80", "snapshot=on",
	} {
		if !strings.Contains(stdout, part) {
			t.Errorf("firmware run prints\n%s\nwant it to have %q", stdout, part)
		}
	}
	if left, err := filepath.Glob(filepath.Join(temp, "aes67os-*")); err != nil || len(left) > 0 {
		t.Errorf("firmware run leaves %v, %v", left, err)
	}
}

func TestImagePath(t *testing.T) {
	for _, test := range []struct {
		out   string
		debug bool
		want  string
	}{
		{"out", false, "out/aes67os-test.img"},
		{"out", true, "out/aes67os-test-debug.img"},
		{"/srv/images/", false, "/srv/images/aes67os-test.img"},
		{".", false, "aes67os-test.img"},
	} {
		if got := imagePath(test.out, board.Board{Name: "test"}, test.debug); got != test.want {
			t.Errorf("imagePath(%q, test, %t) = %q; want %q", test.out, test.debug, got, test.want)
		}
	}
}
