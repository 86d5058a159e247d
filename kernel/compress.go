package kernel

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow bounds the memory that a zstd stream may ask for: four times what
// Debian's tools ever write.
const maxWindow = 512 << 20

// decompress reads r as the suffix of name says: .xz, .zst, .gz, or as it is.
func decompress(name string, r io.Reader) (io.ReadCloser, error) {
	if _, ok := r.(io.ByteReader); !ok {
		// The decoder of xz reads a byte at a time.
		r = bufio.NewReaderSize(r, 64<<10)
	}
	switch path.Ext(name) {
	case ".xz":
		// The stream's header raises the dictionary to what it needs. The
		// default of 8 MiB, cleared for each of four thousand small modules,
		// would take longer than the decoding.
		x, err := xz.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return io.NopCloser(x), nil
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return z.IOReadCloser(), nil
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return z, nil
	default:
		return io.NopCloser(r), nil
	}
}

// readAll reads r to its end, and no more than limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	return io.ReadAll(&boundedReader{r: r, limit: limit})
}

// boundedReader reads r, and fails beyond limit bytes, where an io.LimitedReader
// would pretend that r has ended.
type boundedReader struct {
	r     io.Reader
	limit int64
	n     int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:min(int64(len(p)), b.limit-b.n+1)])
	b.n += int64(n)
	if b.n > b.limit {
		return 0, fmt.Errorf("larger than %d bytes", b.limit)
	}
	return n, err
}
