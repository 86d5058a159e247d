package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Version names a build. The same source has the same version and time.
type Version struct {
	// Name sorts by the time of the commit: "2026.11.22-1140.0123abc".
	Name string
	// Time is that of the commit, and of every file in the image.
	Time time.Time
}

// SourceVersion finds the version of the source in dir from git, or, where there is
// no git, from SOURCE_DATE_EPOCH alone.
func SourceVersion(ctx context.Context, dir string) (Version, error) {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	epoch, commit := os.Getenv("SOURCE_DATE_EPOCH"), "source"
	if out, err := git("log", "-1", "--format=%ct %h", "--abbrev=7"); err == nil {
		at, short, _ := strings.Cut(out, " ")
		commit = short
		if epoch == "" {
			epoch = at
		}
		changed, err := git("status", "--porcelain", "--untracked-files=no")
		if err != nil {
			return Version{}, fmt.Errorf("git status: %w", err)
		}
		if changed != "" {
			commit += "-changed"
		}
	}
	if epoch == "" {
		return Version{}, errors.New("the source is not a git checkout: set SOURCE_DATE_EPOCH to the time of the source, in seconds since 1970")
	}
	sec, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return Version{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, not a number of seconds since 1970", epoch)
	}
	t := time.Unix(sec, 0).UTC()
	return Version{Name: t.Format("2006.01.02-1504.") + commit, Time: t}, nil
}
