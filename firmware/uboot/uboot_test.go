package uboot

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
)

var update = flag.Bool("update", false, "write the golden files")

// The scripts of the boards: what a change does to them is to be seen.
func TestScript(t *testing.T) {
	for _, b := range board.All() {
		if b.Boot != board.UBoot {
			continue
		}
		t.Run(b.Name, func(t *testing.T) {
			got, err := Script(b, Partitions{State: 2, SlotA: 3, SlotB: 4})
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", b.Name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("boot.scr (-want +got):\n%s", diff)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	const cmdline = "console=ttyS0,115200 quiet panic=10"
	got, err := Arguments(cmdline)
	if want := "setenv bootargs \"console=ttyS0,115200 quiet panic=10 aes67os.slot=${slot}\"\n"; err != nil || got != want {
		t.Errorf("Arguments = %q, %v; want %q", got, err, want)
	}
	if back := ParseArguments(got); back != cmdline {
		t.Errorf("ParseArguments = %q; want %q", back, cmdline)
	}
	for _, other := range []string{"", "reset\n", "setenv bootargs \"quiet\"\n"} {
		if got := ParseArguments(other); got != "" {
			t.Errorf("ParseArguments(%q) = %q; want nothing", other, got)
		}
	}
	for _, bad := range []string{`a"b`, "a; reset", "$a", "a\nreset", `a\`, "a & b", "a | b"} {
		if _, err := Arguments(bad); err == nil {
			t.Errorf("Arguments(%q) gave no error", bad)
		}
	}
}

var made = time.Date(2026, 11, 22, 18, 19, 36, 0, time.UTC)

// U-Boot's own tool makes the same of the same script.
func TestImage(t *testing.T) {
	const script = "echo hello\nreset\n"
	dir := t.TempDir()
	text, theirs := filepath.Join(dir, "text"), filepath.Join(dir, "boot.scr")
	if err := os.WriteFile(text, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	mkimage := exec.CommandContext(t.Context(), "mkimage", "-A", "arm64", "-O", "linux", "-T", "script", "-C", "none", "-n", "aes67os", "-d", text, theirs)
	mkimage.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1795371576")
	if out, err := mkimage.CombinedOutput(); err != nil {
		t.Fatalf("mkimage: %v\n%s", err, out)
	}
	want, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	got := Image("aes67os", script, made)
	if !bytes.Equal(got, want) {
		t.Errorf("Image =\n% x\nmkimage makes\n% x", got, want)
	}
	if back, err := Parse(got); err != nil || back != script {
		t.Errorf("Parse = %q, %v; want %q", back, err, script)
	}
}

func TestParseRefuses(t *testing.T) {
	good := Image("a name of more than thirty-two bytes", "reset\n", made)
	change := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	for _, test := range []struct {
		name, want string
		image      []byte
	}{
		{"text", "not an image", []byte(strings.Repeat("text", 30))},
		{"short", "not an image", good[:70]},
		{"damaged header", "checksum of the header", change(32)},
		{"damaged script", "checksum of the script", change(73)},
		{"cut off", "it has 13 bytes, not 14", good[:len(good)-1]},
	} {
		if _, err := Parse(test.image); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Parse = %v; want %q", test.name, err, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Image("x", "reset\n", made))
	f.Add(make([]byte, 72))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = Parse(data) })
}
