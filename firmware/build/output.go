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
	sums := name + ".SHA256SUMS"
	if err := os.MkdirAll(b.Out, 0o755); err != nil {
		return Result{}, err
	}
	work, err := os.MkdirTemp(b.Out, ".build-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(work)

	image, compressed := name+".img", name+".img.zst"
	bill, notices := name+".sbom.json", name+".notices.txt"
	at := func(f string) string { return filepath.Join(work, f) }
	for _, stage := range []struct {
		name string
		run  func(func(string)) (string, error)
	}{
		{"disk", func(func(string)) (string, error) {
			layout, err := b.layout()
			if err != nil {
				return "", err
			}
			return mb(layout.Size()) + ", most of it empty", disk.Create(at(image), layout)
		}},
		{"sbom", func(func(string)) (string, error) { return b.writeBill(ctx, at(bill), at(notices)) }},
		{"compress", func(p func(string)) (string, error) {
			lines, size, err := compress(ctx, at(image), at(compressed), p)
			if err != nil {
				return "", err
			}
			for _, f := range []string{bill, notices} {
				data, err := os.ReadFile(at(f))
				if err != nil {
					return "", err
				}
				lines += sumLine(sha256.Sum256(data), f)
			}
			return mb(size), os.WriteFile(at(sums), []byte(lines), 0o644)
		}},
	} {
		if err := b.run(stage.name, stage.run); err != nil {
			return Result{}, err
		}
	}
	for _, f := range []string{image, compressed, bill, notices, sums} {
		if err := os.Rename(at(f), filepath.Join(b.Out, f)); err != nil {
			return Result{}, err
		}
	}
	b.finish()
	return Result{b.version, filepath.Join(b.Out, image), filepath.Join(b.Out, compressed)}, nil
}

// compress writes image to packed, reading it once, and returns the lines of
// checksums for both and the size of packed in bytes.
func compress(ctx context.Context, image, packed string, progress func(string)) (sums string, written int64, err error) {
	in, err := os.Open(image)
	if err != nil {
		return "", 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return "", 0, err
	}
	out, err := os.Create(packed)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	plainHash, packedHash := sha256.New(), sha256.New()
	// What takes room in the image is compressed already: the rest is zeros.
	z, err := zstd.NewWriter(io.MultiWriter(out, packedHash), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return "", 0, err
	}
	const step = 16 << 20
	for done := int64(0); done < info.Size(); done += step {
		if err := ctx.Err(); err != nil {
			return "", 0, err
		}
		if _, err := io.CopyN(io.MultiWriter(plainHash, z), in, min(step, info.Size()-done)); err != nil {
			return "", 0, err
		}
		progress(fmt.Sprintf("%3d %%", 100*done/info.Size()))
	}
	if err := z.Close(); err != nil {
		return "", 0, err
	}
	if written, err = out.Seek(0, io.SeekCurrent); err != nil {
		return "", 0, err
	}
	sums = sumLine([sha256.Size]byte(plainHash.Sum(nil)), filepath.Base(image)) +
		sumLine([sha256.Size]byte(packedHash.Sum(nil)), filepath.Base(packed))
	return sums, written, nil
}

// sumLine is a line as sha256sum(1) checks it.
func sumLine(sum [sha256.Size]byte, name string) string {
	return fmt.Sprintf("%x  %s\n", sum, name)
}
