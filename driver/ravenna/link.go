package ravenna

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mdlayher/netlink"

	"aes67os/driver"
)

// replyTimeout is how long an answer may take. It begins when the module has dealt with
// the command, and therefore is generous.
const replyTimeout = time.Second

// endpoint is one of the two sockets that join us to the module.
type endpoint interface {
	// Send hands over a message. The module acts on it meanwhile, in our thread, so
	// that Send takes as long as that: up to 32 s for a sample rate.
	Send(b []byte) error
	// Receive waits for messages. It fails once the endpoint is closed.
	Receive() ([]netlink.Message, error)
	// Close makes Receive fail.
	Close() error
}

// link is a conversation with the module: commands one after the other, and events in
// between, until either socket fails or a command is not answered.
type link struct {
	log  *slog.Logger
	port uint32
	// commands and events are the sockets of the two protocols.
	commands, events endpoint
	// answers are those to commands, and those that are none of ours.
	answers chan message
	// rates has the latest sample rate that an application asked for.
	rates chan uint32
	// lost is closed when there is no use in going on, and cause tells why.
	lost   chan struct{}
	once   sync.Once
	cause  error
	reader sync.WaitGroup
}

// newLink begins to listen.
func newLink(log *slog.Logger, port uint32, commands, events endpoint) *link {
	l := &link{
		log: log, port: port, commands: commands, events: events,
		answers: make(chan message, 16), rates: make(chan uint32, 1), lost: make(chan struct{}),
	}
	l.reader.Go(func() { l.receive(commands, l.answer) })
	// Events need a goroutine of their own: the module waits for the answer to
	// one while it deals with the command that made it.
	mixer := mixer{volume: defaultVolume}
	l.reader.Go(func() { l.receive(events, func(m message) { l.event(&mixer, m) }) })
	return l
}

// close ends the conversation without a word.
func (l *link) close() {
	l.lose(errors.New("closed"))
	l.commands.Close()
	l.events.Close()
	l.reader.Wait()
}

// lose notes that the conversation is over.
func (l *link) lose(err error) {
	l.once.Do(func() {
		l.cause = err
		close(l.lost)
	})
}

// gone is the error of a command when the conversation is over.
func (l *link) gone() error { return fmt.Errorf("%w: %w", driver.ErrUnavailable, l.cause) }

// receive gives what comes from e to handle until e fails.
func (l *link) receive(e endpoint, handle func(message)) {
	for {
		messages, err := e.Receive()
		if err != nil {
			l.lose(fmt.Errorf("the connection to the RAVENNA kernel module failed: %w", err))
			return
		}
		for _, n := range messages {
			m, err := decode(n)
			if err != nil {
				l.log.Warn("message from the kernel module passed over", "err", err)
				continue
			}
			handle(m)
		}
	}
}

// answer keeps an answer for command. When there are more than anybody can have asked
// for, the oldest goes: the one waited for is the latest.
func (l *link) answer(m message) {
	for {
		select {
		case l.answers <- m:
			return
		default:
		}
		select {
		case <-l.answers:
		default:
		}
	}
}

// command asks the module and returns the data of its answer. It must be called by
// one goroutine at a time. It fails with ErrUnavailable when there is no module, with
// ErrProtocol when it does not answer, or with what [errorCode] says; after the first two
// the link is lost. There is no giving up in between: the module acts in our thread.
func (l *link) command(id messageID, data []byte) ([]byte, error) {
	for len(l.answers) > 0 {
		<-l.answers // to another daemon's command: they go to whoever said Hello last
	}
	select {
	case <-l.lost:
		return nil, l.gone()
	default:
	}
	if err := l.commands.Send(message{id: id, data: data}.encode(l.port)); err != nil {
		l.lose(fmt.Errorf("the RAVENNA kernel module cannot be reached, it was unloaded or this is not the host's network namespace: %w", err))
		return nil, l.gone()
	}
	timeout := time.NewTimer(replyTimeout)
	defer timeout.Stop()
	for {
		select {
		case m := <-l.answers:
			if m.id != id {
				continue
			}
			return m.data, m.code.err(id)
		case <-l.lost:
			return nil, l.gone()
		case <-timeout.C:
			err := fmt.Errorf("%w: the RAVENNA kernel module does not answer %s; was it reloaded, or does another daemon use it?", driver.ErrProtocol, id)
			l.lose(err)
			return nil, err
		}
	}
}

// ask is command where the answer has no data.
func (l *link) ask(id messageID, data []byte) error {
	_, err := l.command(id, data)
	return err
}
