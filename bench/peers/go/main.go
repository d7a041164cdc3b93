// Measures puddle as told on standard input, a line at a time. Its threads are goroutines, as in programs that use it.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/puddle/v2"
)

// What is held for less is held by a loop: no timer is that exact.
const shortestSleep = time.Millisecond

// In a cache line of its own.
type counter struct {
	uses uint64
	_    [56]byte
}

type pool = puddle.Pool[*counter]

// The phases of one request, in this order.
const (
	warmUp int32 = iota
	measured
	over
)

var (
	background = context.Background()
	pools      = map[int]*pool{}
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "puddle:", err)
		os.Exit(1)
	}
}

// takeAll leaves the pool full, with all its objects made.
func takeAll(p *pool, places int) []*puddle.Resource[*counter] {
	var taken []*puddle.Resource[*counter]
	for len(taken) < places {
		object, err := p.Acquire(background)
		check(err)
		taken = append(taken, object)
	}
	return taken
}

func giveBack(taken []*puddle.Resource[*counter]) {
	for _, object := range taken {
		object.Release()
	}
}

func poolOf(places int) *pool {
	if pools[places] == nil {
		made, err := puddle.NewPool(&puddle.Config[*counter]{
			Constructor: func(context.Context) (*counter, error) { return &counter{}, nil },
			Destructor:  func(*counter) {},
			MaxSize:     int32(places),
		})
		check(err)
		giveBack(takeAll(made, places))
		pools[places] = made
	}
	return pools[places]
}

func repeat(p *pool, phase *int32, until int32) (operations int64) {
	for atomic.LoadInt32(phase) == until {
		object, err := p.Acquire(background)
		check(err)
		object.Value().uses++
		object.Release()
		operations++
	}
	return operations
}

func operations(places, threads int, warm, length time.Duration) string {
	p := poolOf(places)
	counts := make([]int64, threads)
	phase := warmUp
	var done sync.WaitGroup
	for i := range counts {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			repeat(p, &phase, warmUp)
			counts[i] = repeat(p, &phase, measured)
		}(i)
	}
	time.Sleep(warm)
	begin := time.Now()
	atomic.StoreInt32(&phase, measured)
	time.Sleep(length)
	atomic.StoreInt32(&phase, over)
	done.Wait()
	return "ops " + ofTurn(time.Since(begin), counts)
}

func holdFor(length time.Duration) {
	if length >= shortestSleep {
		time.Sleep(length)
		return
	}
	for since := time.Now(); time.Since(since) < length; {
	}
}

func hold(places, threads int, each, length time.Duration) string {
	p := poolOf(places)
	counts := make([]int64, threads)
	held := make([]time.Duration, threads)
	begin := time.Now()
	var done sync.WaitGroup
	for i := range counts {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			var count int64
			var sum time.Duration
			for time.Since(begin) < length {
				object, err := p.Acquire(background)
				check(err)
				since := time.Now()
				holdFor(each)
				object.Value().uses++
				sum += time.Since(since)
				object.Release()
				count++
			}
			counts[i], held[i] = count, sum
		}(i)
	}
	done.Wait()
	wall := time.Since(begin)
	var sum time.Duration
	for _, part := range held {
		sum += part
	}
	return fmt.Sprintf("hold %s held_ns=%d", ofTurn(wall, counts), sum.Nanoseconds())
}

func lateness(places int, timeOut time.Duration, times int) string {
	p := poolOf(places)
	taken := takeAll(p, places)
	defer giveBack(taken)
	var late []int64
	for len(late) < times {
		begin := time.Now()
		deadline, cancel := context.WithTimeout(background, timeOut)
		_, err := p.Acquire(deadline)
		waited := time.Since(begin)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			check(fmt.Errorf("a full pool has not timed out, but said: %v", err))
		}
		late = append(late, (waited - timeOut).Nanoseconds())
	}
	return "timeout late_ns=" + joined(late)
}

func joined(numbers []int64) string {
	words := make([]string, len(numbers))
	for i, number := range numbers {
		words[i] = strconv.FormatInt(number, 10)
	}
	return strings.Join(words, ",")
}

func ofTurn(wall time.Duration, counts []int64) string {
	return fmt.Sprintf("wall_ns=%d operations=%s", wall.Nanoseconds(), joined(counts))
}

func about() string {
	built, _ := debug.ReadBuildInfo()
	for _, module := range built.Deps {
		if strings.Contains(module.Path, "/puddle/") {
			return fmt.Sprintf("about puddle-%s %s", module.Version, runtime.Version())
		}
	}
	return "error this program does not know what it is built of"
}

func answer(request string) string {
	words := strings.Split(request, " ")
	var numbers []int
	for _, word := range words[1:] {
		number, err := strconv.Atoi(word)
		check(err)
		numbers = append(numbers, number)
	}
	in := func(unit time.Duration, i int) time.Duration { return time.Duration(numbers[i]) * unit }
	const ms = time.Millisecond
	switch fmt.Sprint(words[0], len(numbers)) {
	case "about0":
		return about()
	case "ops4":
		return operations(numbers[0], numbers[1], in(ms, 2), in(ms, 3))
	case "hold4":
		return hold(numbers[0], numbers[1], in(time.Microsecond, 2), in(ms, 3))
	case "timeout3":
		return lateness(numbers[0], in(ms, 1), numbers[2])
	}
	return "error cannot do: " + request
}

func main() {
	requests := bufio.NewScanner(os.Stdin)
	for requests.Scan() {
		fmt.Println(answer(requests.Text()))
	}
}
