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
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return strings.TrimSpace(string(out)), err
	}
	epoch, commit := os.Getenv("SOURCE_DATE_EPOCH"), "source"
	out, gitErr := git("log", "-1", "--format=%ct %H", "--no-show-signature")
	if gitErr == nil {
		at, hash, _ := strings.Cut(out, " ")
		// Not git's own short form, which is longer in a clone where 7 digits name
		// two objects.
		commit = hash[:7]
		if epoch == "" {
			epoch = at
		}
		changed, err := git("status", "--porcelain")
		if err != nil {
			return Version{}, fmt.Errorf("git status: %w", err)
		}
		if changed != "" {
			commit += "-changed"
		}
	}
	if epoch == "" {
		return Version{}, fmt.Errorf("git does not tell the time of the source (%w): set SOURCE_DATE_EPOCH to it, in seconds since 1970", gitErr)
	}
	sec, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return Version{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, not a number of seconds since 1970", epoch)
	}
	t := time.Unix(sec, 0).UTC()
	return Version{Name: t.Format("2006.01.02-1504.") + commit, Time: t}, nil
}
