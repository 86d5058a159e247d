package journal

import (
	"context"
	"fmt"
	"io"

	"aes67os/init/api"
)

// Console copies the log to w as it grows, so that a boot can be watched on a
// serial line:
//
//	[    3.214] aes67d: ready
//
// The number is seconds since the kernel started. The kernel's own entries are
// left out: it prints them on its consoles itself. When ctx ends Console still
// writes what was appended before, so that the last words before a power-off are
// seen, and returns nil; else it returns the error of w.
func (j *Journal) Console(ctx context.Context, w io.Writer) error {
	var seen uint64
	print := func(r record) error {
		seen = r.Seq
		if r.Service == kernelService {
			return nil
		}
		_, err := fmt.Fprintf(w, "[%9.3f] %s: %s\n", r.uptime.Seconds(), r.Service, r.Text)
		return err
	}
	err := j.follow(ctx, api.LogQuery{}, print)
	if ctx.Err() == nil {
		return fmt.Errorf("copy the log to the console: %w", err)
	}
	for {
		records, _, changed := j.take(seen, "")
		if changed != nil {
			return nil
		}
		for _, r := range records {
			if err := print(r); err != nil {
				return fmt.Errorf("copy the log to the console: %w", err)
			}
		}
	}
}
