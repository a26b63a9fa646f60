package browser_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"slices"
)

// reduced is a picture in the 256 colours that it has most of, which take a third of the bytes.
func reduced(shot []byte) ([]byte, error) {
	whole, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return nil, err
	}
	area := whole.Bounds()
	many := make(map[color.RGBA]int)
	all := image.NewRGBA(area)
	draw.Draw(all, area, whole, area.Min, draw.Src)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			many[all.RGBAAt(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(many), func(a, b color.RGBA) int { return many[b] - many[a] })
	palette := make(color.Palette, 0, 256)
	for _, c := range colours[:min(256, len(colours))] {
		palette = append(palette, c)
	}
	few, nearest := image.NewPaletted(area, palette), make(map[color.RGBA]uint8, len(colours))
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			c := all.RGBAAt(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(palette.Index(c))
				nearest[c] = i
			}
			few.SetColorIndex(x, y, i)
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few)
	return out.Bytes(), err
}
