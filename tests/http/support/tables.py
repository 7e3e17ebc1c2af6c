"""Small data sets of others' tables, in their public layout: tests/fixtures/tables, and a drawn picture for every row."""
import csv
import os
import shutil

from support import dataset, picture, program

TABLES = os.path.join(os.path.dirname(__file__), '..', '..', 'fixtures', 'tables')


def rows(*path):
    with open(os.path.join(TABLES, *path), encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def mimic_pictures():
    for row in rows('mimic', 'mimic-cxr-2.0.0-metadata.csv'):
        subject, study = row['subject_id'], row['study_id']
        yield f'files/p{subject[:2]}/p{subject}/s{study}/{row["dicom_id"]}.png'


PICTURES = {  # of each data set, below its folder
    'chexpert': lambda: [row['Path'].split('/', 1)[1].replace('.jpg', '.png') for row in rows('chexpert', 'train.csv')],
    'mimic': mimic_pictures,
    'padchest': lambda: [f'{row["ImageDir"]}/{row["ImageID"]}' for row in
                         rows('padchest', 'PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv')],
    'vindr': lambda: {f'train/{row["image_id"]}.png' for row in rows('vindr', 'image_labels_train.csv')},
    'vindr_boxes': lambda: {f'train/{row["image_id"]}.png' for row in rows('vindr_boxes', 'train.csv')},
    'csv': lambda: [row['datei'].replace('archiv', 'images') for row in rows('csv', 'table.csv')],
}


def lay_out(name, place):
    """The data set of one format as the folder `place`, with a picture for every row."""
    shutil.copytree(os.path.join(TABLES, name), place)
    for i, path in enumerate(sorted(PICTURES[name]())):
        path = os.path.join(place, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(picture.noise(i, dataset.SIZE, dataset.SIZE))


def folder():
    """A folder of data sets: one of each format, with a picture for every row."""
    datasets = program.new_folder('datasets')
    for name in PICTURES:
        lay_out(name, os.path.join(datasets, name))
    return datasets
