package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"aes67os/board"
)

// programs are the packages of the source that go into the image, and where to.
var programs = map[string]string{"init": "init", "aes67d": "bin/aes67d", "webui": "bin/webui"}

// buildPrograms compiles the appliance's programs for the board and returns them by
// their place in the image.
func buildPrograms(ctx context.Context, source, work string, b board.Board, v Version) (map[string][]byte, error) {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-tags", "nomsgpack",
		"-ldflags", "-s -w -X main.version=" + v.Name, "-o", work + string(filepath.Separator)}
	for pkg := range programs {
		args = append(args, "./"+pkg)
	}
	if err := goTool(ctx, source, b, args...); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for pkg, place := range programs {
		data, err := os.ReadFile(filepath.Join(work, pkg))
		if err != nil {
			return nil, err
		}
		out[place] = data
	}
	return out, nil
}

// goTool runs the go command for the board's processor.
func goTool(ctx context.Context, source string, b board.Board, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+b.GOARCH,
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFLAGS=")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return nil
}
