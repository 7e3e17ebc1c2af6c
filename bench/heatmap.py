#!/usr/bin/env python3
"""Does the contribution map of a finding peak where the finding is?

  python3 bench/heatmap.py --cxrd build/release/cxrd --weights W --dataset DIR [--label Nodule]

DIR is a data set with a BBox_List_2017.csv, as `cxrd phantom` makes it; take another seed than the one that the weights
were trained on. For every picture that has a box of the finding, the largest cell of the map is compared with the boxes
of that finding in the picture:

  inside  the cell overlaps a box (a cell is 1/16 of the picture at image size 256; a small nodule is smaller than it)
  centre  the centre of the cell lies in a box
  near    the cell or one of its eight neighbours overlaps a box

and, so that the figures can be judged, how often a cell that is drawn blindly would be inside. Prints all pictures and
those that the model gives more than its median probability for the finding.
"""
import argparse
import collections
import csv
import glob
import json
import os
import subprocess
import sys

# NIH's name in the list of boxes where it differs from the label
NAMES = {'Infiltration': 'Infiltrate'}


def boxes_of(dataset, label):
    """Picture -> boxes (x, y, width, height) of the finding."""
    boxes = collections.defaultdict(list)
    with open(os.path.join(dataset, 'BBox_List_2017.csv'), encoding='ascii', newline='') as file:
        rows = csv.reader(file)
        next(rows)
        for row in rows:
            if row[1] == NAMES.get(label, label):
                boxes[row[0]].append([float(v) for v in row[2:6]])
    return boxes


def predictions(cxrd, weights, label, paths):
    for at in range(0, len(paths), 100):
        done = subprocess.run([cxrd, 'predict', '--weights', weights, '--json', '--explain', label, *paths[at:at + 100]],
                              check=True, capture_output=True, text=True)
        yield from map(json.loads, done.stdout.splitlines())


def overlaps(cell, box):
    return cell[0] < box[0] + box[2] and box[0] < cell[0] + cell[2] and \
        cell[1] < box[1] + box[3] and box[1] < cell[1] + cell[3]


def judge(prediction, boxes):
    """inside, centre, near: whether; blind: how likely by chance."""
    grid = prediction['explanation']['grid']
    rows, columns = len(grid), len(grid[0])
    height, width = prediction['image']['height'] / rows, prediction['image']['width'] / columns
    cells = [(y, x) for y in range(rows) for x in range(columns)]
    y, x = max(cells, key=lambda c: grid[c[0]][c[1]])

    def inside(cy, cx):
        return any(overlaps((cx * width, cy * height, width, height), box) for box in boxes)

    middle = ((x + 0.5) * width, (y + 0.5) * height)
    return {'inside': inside(y, x),
            'centre': any(b[0] <= middle[0] < b[0] + b[2] and b[1] <= middle[1] < b[1] + b[3] for b in boxes),
            'near': any(inside(y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1)),
            'blind': sum(inside(*cell) for cell in cells) / len(cells)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--cxrd', default='build/release/cxrd')
    parser.add_argument('--weights', required=True)
    parser.add_argument('--dataset', required=True)
    parser.add_argument('--label', default='Nodule')
    options = parser.parse_args()
    boxes = boxes_of(options.dataset, options.label)
    paths = sorted(path for path in glob.glob(os.path.join(options.dataset, 'images_*', 'images', '*.png'))
                   if os.path.basename(path) in boxes)
    if not paths:
        sys.exit(f'no picture of {options.dataset} has a box of {options.label}')
    judged = [(reply['probabilities'][options.label], judge(reply, boxes[os.path.basename(path)]))
              for path, reply in zip(paths, predictions(options.cxrd, options.weights, options.label, paths))]
    median = sorted(p for p, _ in judged)[len(judged) // 2]
    for name, some in (('all', judged), (f'p >= {median:.3f}', [j for j in judged if j[0] >= median])):
        print(f'{options.label}, {name}: {len(some)} pictures, ' +
              ', '.join(f'{key} {sum(j[key] for _, j in some) / len(some):.1%}' for key in judged[0][1]))


if __name__ == '__main__':
    main()
