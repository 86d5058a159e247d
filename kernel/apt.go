package kernel

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// aptConf makes the host's configuration of apt harmless and keeps the rest of it,
// for proxies and credentials are there. It clears hooks, which would run for the
// host's state, pins and the default release, which are about the host's suite, and
// all indexes but those of packages (descriptions, icons, file lists).
const aptConf = `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Default-Release;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {
	MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
	ShortDescription "Packages";
	Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
	Optional "false";
};
Acquire::Languages "none";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Status "/dev/null";
`

// apt is the host's apt with a state of its own, in a temporary directory.
type apt struct {
	dir  string
	args []string
}

// newApt makes that state and gets the suite's list of packages into it. The
// caller closes it.
func (a *Archive) newApt(ctx context.Context, suite string) (_ *apt, err error) {
	keyring := cmp.Or(a.Keyring, DebianKeyring)
	if err := checkKeyring(keyring); err != nil {
		return nil, err
	}
	mirror := a.Mirror
	if mirror == "" {
		if mirror, err = hostMirror(ctx); err != nil {
			return nil, err
		}
	}
	// Within the cache, for a download is moved from here to there. apt does not
	// understand relative directories.
	cache, err := filepath.Abs(a.Cache)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(cache, ".apt-")
	if err != nil {
		return nil, err
	}
	p := &apt{dir: dir, args: []string{
		"-c", filepath.Join(dir, "apt.conf"),
		"-oAPT::Architecture=" + a.Arch,
		"-oAPT::Architectures=" + a.Arch,
		"-oDir::State=" + filepath.Join(dir, "state"),
		"-oDir::Cache=" + filepath.Join(dir, "cache"),
		"-oDir::Etc::SourceList=" + filepath.Join(dir, "sources.list"),
		// Root's apt would drop to a user who may not write here.
		"-oAPT::Sandbox::User=root",
	}}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "download"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	source := fmt.Sprintf("deb [arch=%s signed-by=%s] %s %s main\n", a.Arch, keyring, mirror, suite)
	for name, text := range map[string]string{"apt.conf": aptConf, "sources.list": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if _, err := p.run(ctx, nil, "apt-get", "update"); err != nil {
		return nil, fmt.Errorf("list the packages of Debian %s for %s at %s: %w", suite, a.Arch, mirror, err)
	}
	return p, nil
}

// close removes the state.
func (p *apt) close() { os.RemoveAll(p.dir) }

// show finds the newest package called name, or the one that name stands for.
func (p *apt) show(ctx context.Context, name string) (locked, error) {
	out, err := p.run(ctx, nil, "apt-cache", "show", "--no-all-versions", name)
	if err != nil {
		return locked{}, fmt.Errorf("look up package %s: %w", name, err)
	}
	stanzas := parseControl(out)
	if len(stanzas) == 0 {
		return locked{}, fmt.Errorf("the archive has no package %s", name)
	}
	fields := stanzas[0]
	if concrete := concreteKernel(fields); concrete != "" && concrete != name {
		return p.show(ctx, concrete)
	}
	size, err := strconv.ParseInt(fields["Size"], 10, 64)
	if err != nil || len(fields["SHA256"]) != 64 {
		return locked{}, fmt.Errorf("the archive's entry of package %s has no size or sha256", name)
	}
	return locked{Package: fields["Package"], Version: fields["Version"], SHA256: fields["SHA256"], Size: size}, nil
}

// download gets one package and returns the file, which is gone after close.
func (p *apt) download(ctx context.Context, name, version string, percent func(float64)) (string, error) {
	if _, err := p.run(ctx, percent, "apt-get", "download", name+"="+version); err != nil {
		return "", fmt.Errorf("download %s: %w", name, err)
	}
	files, err := filepath.Glob(filepath.Join(p.dir, "download", name+"_*.deb"))
	if err != nil {
		return "", err
	}
	if len(files) != 1 {
		return "", fmt.Errorf("download %s: apt left %d files", name, len(files))
	}
	return files[0], nil
}

// run runs a program of apt with the private state. percent, if not nil, is told of
// the progress of downloads.
func (p *apt) run(ctx context.Context, percent func(float64), program string, args ...string) ([]byte, error) {
	args = append(append([]string{}, p.args...), args...)
	if percent == nil {
		return runApt(ctx, p.dir, nil, program, args...)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	told := make(chan struct{})
	go func() {
		defer close(told)
		watchStatus(read, percent)
	}()
	// The first of ExtraFiles is descriptor 3.
	out, err := runApt(ctx, filepath.Join(p.dir, "download"), write, program, append(args, "-oAPT::Status-Fd=3")...)
	write.Close()
	<-told
	return out, err
}

// runApt runs a program and returns its output; its words of complaint become the
// error. It closes nothing.
func runApt(ctx context.Context, dir string, status *os.File, program string, args ...string) ([]byte, error) {
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stderr = &complaints
	if status != nil {
		cmd.ExtraFiles = []*os.File{status}
	}
	// apt has children that fetch; they end with it when it is asked politely.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%s is not installed; packages are fetched through Debian's apt: %w", program, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(complaints.String()))
	}
	return out, nil
}

// watchStatus reads apt's status lines, "dlstatus:ITEM:PERCENT:TEXT", until the end.
func watchStatus(r io.Reader, percent func(float64)) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), ":", 4)
		if len(fields) < 3 || fields[0] != "dlstatus" {
			continue
		}
		if p, err := strconv.ParseFloat(fields[2], 64); err == nil && p >= 0 && p <= 100 {
			percent(p)
		}
	}
	// apt must not wait for a reader that gave up on a line.
	io.Copy(io.Discard, r)
}

// hostMirror finds the archive that the host's own apt gets Debian from. The
// security archive is not one: it has updates only.
func hostMirror(ctx context.Context) (string, error) {
	out, err := runApt(ctx, "", nil, "apt-get", "indextargets",
		"--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Created-By: Packages")
	if err != nil {
		return "", fmt.Errorf("ask apt for its mirror: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		if uri, release, _ := strings.Cut(strings.TrimSpace(line), " "); release == "Debian Debian" {
			return uri, nil
		}
	}
	return "", errors.New("the host's apt knows no archive of Debian: run `apt-get update` if it never ran, or give -mirror URL")
}
