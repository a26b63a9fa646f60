package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// endure sends for as long as it is told, in parts in whose middle the daemons read their changed files.
func (r *rig) endure(ctx context.Context, o *options) error {
	var total count
	var memory [2][]int
	begin, told, reloads := time.Now(), time.Now(), 0
	for time.Since(begin) < o.duration && ctx.Err() == nil {
		c, err := r.send(ctx, o.rate, o.reload, func() error {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(o.reload / 2):
			}
			reloads++
			return errors.Join(r.sites[0].reload(), r.sites[1].reload())
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
		total = count{total.sent + c.sent, total.lost + c.lost, total.wrong + c.wrong}
		for i, s := range r.sites {
			kib, err := s.resident()
			if err != nil {
				return err
			}
			memory[i] = append(memory[i], kib)
		}
		if c.lost+c.wrong > 0 || time.Since(told) >= time.Minute {
			told = time.Now()
			fmt.Printf("%v: %d sent, %d lost, %d wrong, %d reloads; %d and %d KiB\n", time.Since(begin).Round(time.Second), total.sent, total.lost, total.wrong,
				reloads, memory[0][len(memory[0])-1], memory[1][len(memory[1])-1])
		}
	}
	return total.judge(o, memory, reloads, time.Since(begin))
}

// judge says what came of it, and which promise was broken.
func (c count) judge(o *options, memory [2][]int, reloads int, took time.Duration) error {
	share := float64(c.lost+c.wrong) / float64(max(c.sent, 1))
	fmt.Printf("%v at %d packets a second each way, %d reloads: %d sent, %d lost, %d wrong (%.1e)\n", took.Round(time.Second), o.rate, reloads, c.sent, c.lost, c.wrong, share)
	var err error
	if share > o.lost || c.sent == 0 {
		err = fmt.Errorf("%.1e of the packets were lost, want at most %.1e", share, o.lost)
	}
	for i, all := range memory {
		if len(all) < 3 {
			continue
		}
		// The first third is the start: what is borrowed for the first time stays.
		before, after := median(all[len(all)/3:2*len(all)/3]), median(all[2*len(all)/3:])
		fmt.Printf("memory of daemon %d: %d KiB in the second third, %d KiB in the last, %d KiB at most\n", i+1, before, after, slices.Max(all))
		if after > before+o.growth {
			err = errors.Join(err, fmt.Errorf("daemon %d took %d KiB more in the last third than in the second, want at most %d", i+1, after-before, o.growth))
		}
	}
	return err
}

// median is that of numbers, of which there is one at least.
func median(all []int) int {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
