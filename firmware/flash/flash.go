// Package flash writes an image to a card, and makes sure that it is there.
//
// The dangers are three, and each has its guard:
//
//   - The wrong disk. [Check] refuses whatever is in use, is a disk of the computer
//     itself, or cannot hold the image, and has no override: whoever wants to write
//     an SSD puts it into a USB adapter. The disk is then opened for exclusive use,
//     so that nothing can be mounted in between.
//   - A card that lies. Cheap cards take every write and lose some. All is read back
//     from the card itself, not from memory, and compared.
//   - Half an image. The first part of the disk, with the partition table, is blanked
//     before anything else is written and filled in last: a card that was pulled out
//     early boots nothing, rather than something mixed.
package flash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"aes67os/firmware/flash/image"
)

// ErrDeclined is returned when the question was not answered with yes.
var ErrDeclined = errors.New("nothing was written")

// Options say what to write where.
type Options struct {
	// Image is a file, plain or compressed; Device a disk, for example /dev/sdb.
	Image, Device string
	// Yes leaves the question out.
	Yes bool
	// In is where the answer comes from, if Interactive: if a person sits there.
	In          io.Reader
	Interactive bool
	// Out gets the question and the progress. Live tells that it is a terminal, on
	// which a line can be written again and again.
	Out  io.Writer
	Live bool
}

// Flash checks, asks, writes and verifies.
func Flash(ctx context.Context, o Options) error {
	i, err := image.Open(o.Image)
	if err != nil {
		return err
	}
	target, err := Check(Host(), o.Device, i.Size)
	if err != nil {
		return err
	}
	if !o.Yes {
		if err := ask(ctx, o, target); err != nil {
			return err
		}
	}
	if err := Write(ctx, i, target, newMeter(o.Out, o.Live, time.Now).show); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "%s has the image. You can remove the card now.\n", target.Device)
	return nil
}

// ask returns ErrDeclined unless the answer is yes. It does not wait for the answer
// longer than ctx, of which Ctrl-C is the end.
func ask(ctx context.Context, o Options, t Target) error {
	if !o.Interactive {
		return errors.New("there is no terminal to ask at whether to overwrite " + t.String() + "; -yes answers beforehand")
	}
	fmt.Fprintf(o.Out, "Write %s to %s? Everything on it will be lost. Type yes: ", o.Image, t)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(o.In).ReadString('\n') // no line is no answer
		answer <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(o.Out)
		return ErrDeclined
	case line := <-answer:
		if strings.TrimSpace(line) != "yes" {
			return ErrDeclined
		}
		return nil
	}
}
