package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"aes67os/firmware/disk"
)

// write puts the image and what goes with it into Out, each under its name only when
// all are whole.
func (b *build) write(ctx context.Context) (Result, error) {
	name := "aes67os-" + b.Board.Name
	if b.Debug {
		name += "-debug"
	}
	if err := os.MkdirAll(b.Out, 0o755); err != nil {
		return Result{}, err
	}
	work, err := os.MkdirTemp(b.Out, ".build-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(work)

	image, compressed, bill, sums := name+".img", name+".img.zst", name+".sbom.json", name+".SHA256SUMS"
	if !b.Debug {
		sums = "SHA256SUMS"
	}
	err = b.run("disk", func(func(string)) (string, error) {
		return mb(b.Board.ESPSize+b.Board.DataSize) + ", most of it empty", disk.Create(filepath.Join(work, image), b.layout())
	})
	if err != nil {
		return Result{}, err
	}
	err = b.run("sbom", func(func(string)) (string, error) { return b.writeBill(ctx, filepath.Join(work, bill)) })
	if err != nil {
		return Result{}, err
	}
	err = b.run("compress", func(progress func(string)) (string, error) {
		return compress(ctx, filepath.Join(work, image), filepath.Join(work, sums), bill, progress)
	})
	if err != nil {
		return Result{}, err
	}
	for _, f := range []string{image, compressed, bill, sums} {
		if err := os.Rename(filepath.Join(work, f), filepath.Join(b.Out, f)); err != nil {
			return Result{}, err
		}
	}
	b.finish()
	at := func(f string) string { return filepath.Join(b.Out, f) }
	return Result{b.version, at(image), at(compressed), at(bill), at(sums)}, nil
}

// compress writes image.zst beside image, and sums with the hashes of both and of
// the file called extra, reading the image once.
func compress(ctx context.Context, image, sums, extra string, progress func(string)) (summary string, err error) {
	in, err := os.Open(image)
	if err != nil {
		return "", err
	}
	defer in.Close()
	size, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	out, err := os.Create(image + ".zst")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	plain, packed := sha256.New(), sha256.New()
	count := &counter{}
	// What takes room in the image is compressed already: the rest is zeros.
	z, err := zstd.NewWriter(io.MultiWriter(out, packed, count), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return "", err
	}
	const step = 16 << 20
	for done := int64(0); done < size; done += step {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if _, err := io.CopyN(io.MultiWriter(plain, z), in, min(step, size-done)); err != nil {
			return "", err
		}
		progress(fmt.Sprintf("%3d %%", 100*done/size))
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	more, err := os.ReadFile(filepath.Join(filepath.Dir(image), extra))
	if err != nil {
		return "", err
	}
	name := filepath.Base(image)
	lines := fmt.Sprintf("%x  %s\n%x  %s.zst\n%x  %s\n", plain.Sum(nil), name, packed.Sum(nil), name, sha256.Sum256(more), extra)
	return mb(count.n), os.WriteFile(sums, []byte(lines), 0o644)
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}
