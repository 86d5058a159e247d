package wire

import "sync"

// Pump calls receive again and again, in a goroutine of its own, and passes on what it
// returns, until it fails; then failed tells why. stop ends that, calls end, which is to
// make receive fail, and waits for the goroutine.
func Pump[T any](receive func() (T, error), end func() error) (received <-chan T, failed <-chan error, stop func()) {
	values, failure, stopped := make(chan T), make(chan error, 1), make(chan struct{})
	var pump sync.WaitGroup
	pump.Go(func() {
		for {
			v, err := receive()
			if err != nil {
				failure <- err
				return
			}
			select {
			case values <- v:
			case <-stopped:
				return
			}
		}
	})
	return values, failure, func() {
		close(stopped)
		end() // what it says matters to nobody any more
		pump.Wait()
	}
}
