package port

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// keep is how many seconds of a recording a power cut may cost.
	keep = 5
	// bridged is how many seconds may be missing and are made silence. What is longer is
	// a clock that was set, and not worth a file of zeros.
	bridged = 10
	// maxFiles bounds how many names are tried.
	maxFiles = 10000
)

// recording is the disk's side of a recorder.
type recording struct {
	port Recorder
	dev  *Device
	wav  wav

	file *os.File // nil while there is none
	// next is the position that the file goes on with.
	next int64
	// safe is the number of frames that the file's header tells of.
	safe int64
	// again is the position from which on another file is tried after a failure, and told
	// the failure that was logged.
	again int64
	told  string
}

func newRecording(r Recorder, d *Device, w wav) *recording {
	return &recording{port: r, dev: d, wav: w}
}

// write writes what comes until there is no more.
func (r *recording) write(full <-chan block, empty chan<- []byte) {
	for b := range full {
		r.block(b)
		empty <- b.bytes[:cap(b.bytes)]
	}
	if r.file != nil {
		if err := r.close(); err != nil {
			r.failed(err)
		}
	}
}

// block writes a block, if it can be.
func (r *recording) block(b block) {
	frames := int64(len(b.bytes) / r.wav.frame())
	if r.file == nil {
		if b.from < r.again {
			return
		}
		if err := r.create(b.from); err != nil {
			r.again = b.from + r.dev.samples(retry)
			r.failed(err)
			return
		}
	}
	if err := r.append(b, frames); err != nil {
		if r.wav.frames == 0 { // else there might be many empty files after a while
			os.Remove(r.file.Name())
			r.again = b.from + r.dev.samples(retry)
		}
		r.failed(errors.Join(err, r.close()))
	}
}

func (r *recording) failed(err error) {
	if reason := err.Error(); reason != r.told {
		r.told = reason
		r.dev.Log.Warn("recording interrupted, will try again", "port", r.port.Name(), "err", err)
	}
}

// create begins a file at a position.
func (r *recording) create(from int64) error {
	f, err := createNew(r.port.Path)
	if err != nil {
		return err
	}
	r.dev.Log.Info("recording", "port", r.port.Name(), "file", f.Name(), "from position", from)
	r.file, r.next, r.safe, r.wav.frames = f, from, 0, 0
	head := r.wav.header(0)
	r.wav.at = int64(len(head))
	if _, err := f.Write(head); err != nil {
		os.Remove(f.Name())
		return errors.Join(err, r.close())
	}
	return nil
}

// append writes a block, with silence before it for what is missing.
func (r *recording) append(b block, frames int64) error {
	missing := b.from - r.next
	if missing != 0 {
		r.dev.Log.Warn("part of a recording is missing, the disk was too slow or the clock was set",
			"port", r.port.Name(), "samples", missing)
	}
	if missing > 0 && missing <= bridged*int64(r.wav.rate) {
		if _, err := io.CopyN(r.file, silence{}, missing*int64(r.wav.frame())); err != nil {
			return err
		}
		r.wav.frames += missing
	}
	if _, err := r.file.Write(b.bytes); err != nil {
		return err
	}
	r.wav.frames += frames
	r.next, r.told = b.from+frames, ""
	if r.wav.frames-r.safe < keep*int64(r.wav.rate) {
		return nil
	}
	return r.save()
}

type silence struct{}

func (silence) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// save makes the file one that can be read up to here: first the samples have to be on
// the disk, then what tells of them.
func (r *recording) save() error {
	if err := r.file.Sync(); err != nil {
		return err
	}
	if _, err := r.file.WriteAt(r.wav.header(r.wav.frames), 0); err != nil {
		return err
	}
	r.safe = r.wav.frames
	return nil
}

// close ends the file. A chunk has an even number of bytes.
func (r *recording) close() error {
	var err error
	if data := r.wav.frames * int64(r.wav.frame()); data%2 == 1 {
		_, err = r.file.WriteAt([]byte{0}, r.wav.at+data)
	}
	err = errors.Join(err, r.save(), r.file.Sync(), r.file.Close())
	r.file = nil
	return err
}

// createNew creates a file at path, or beside it when there is one.
func createNew(path string) (*os.File, error) {
	suffix := filepath.Ext(path)
	name := path
	for i := 2; i <= maxFiles; i++ {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
		name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, suffix), i, suffix)
	}
	return nil, fmt.Errorf("there are %d recordings at %s; delete some", maxFiles, path)
}
