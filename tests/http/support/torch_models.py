"""Networks by PyTorch, with random weights, as their makers save them, and what PyTorch says of a picture: run as a program,

    torch_models.py FOLDER GREY SIZE

with GREY a file of SIZE x SIZE bytes. Leaves FOLDER/<name>.pth and FOLDER/said.json, {name: {finding: probability}}."""
import collections
import json
import os
import sys
import types

import torch
import torchvision
from torch import nn

NIH = ['Atelectasis', 'Cardiomegaly', 'Effusion', 'Infiltration', 'Mass', 'Nodule', 'Pneumonia', 'Pneumothorax', 'Consolidation', 'Edema',
       'Emphysema', 'Fibrosis', 'Pleural_Thickening', 'Hernia']
XRV = ['Atelectasis', 'Consolidation', 'Infiltration', 'Pneumothorax', 'Edema', 'Emphysema', 'Fibrosis', 'Effusion', 'Pneumonia',
       'Pleural_Thickening', 'Cardiomegaly', 'Nodule', 'Mass', 'Hernia', 'Lung Lesion', 'Fracture', 'Lung Opacity', 'Enlarged Cardiomediastinum']


class DenseNet121(nn.Module):
    """As CheXNet's imitators write it."""

    def __init__(self, out_size):
        super().__init__()
        self.densenet121 = torchvision.models.densenet121()
        self.densenet121.classifier = nn.Sequential(nn.Linear(self.densenet121.classifier.in_features, out_size), nn.Sigmoid())

    def forward(self, x):
        return self.densenet121(x)


def xrv_module():
    """A module of torchxrayvision's names, with its DenseNet of one channel in it: torchvision's but for the first convolution."""
    module = types.ModuleType('torchxrayvision.models')

    class DenseNet(nn.Module):
        def __init__(self, op_threshs):
            super().__init__()
            net = torchvision.models.densenet121(num_classes=len(XRV))
            net.features.conv0 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
            self.features, self.classifier = net.features, net.classifier
            self.pathologies = XRV
            self.register_buffer('op_threshs', op_threshs)

        def forward(self, x):
            out = nn.functional.relu(self.features(x))
            return torch.sigmoid(self.classifier(out.mean((2, 3))))

    DenseNet.__module__, DenseNet.__qualname__ = module.__name__, 'DenseNet'
    module.DenseNet = DenseNet
    sys.modules['torchxrayvision'] = types.ModuleType('torchxrayvision')
    sys.modules[module.__name__] = module
    return module


def op_norm(p, t):
    return torch.where(p < t, p / (2 * t), 1 - (1 - p) / (2 * (1 - t)))


def settle(net):
    """Statistics as a training leaves them, and a head that says something."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.num_batches_tracked.fill_(7)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.3)
            nn.init.normal_(module.bias, 0, 0.3)
    return net.eval()


def main():
    folder, path, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.manual_seed(1)
    torch.set_num_threads(1)
    with open(path, 'rb') as file:
        grey = torch.tensor(list(file.read()), dtype=torch.float32).reshape(1, 1, size, size)
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    colour = (grey / 255 - mean) / std
    said = {}

    def keep(name, what, labels, probabilities, **how):
        torch.save(what, os.path.join(folder, name + '.pth'), **how)
        said[name] = {label: p for label, p in zip(labels, probabilities.flatten().tolist()) if p == p}

    with torch.no_grad():
        net = settle(torchvision.models.resnet18(num_classes=14))
        expected = torch.sigmoid(net(colour))
        keep('resnet18_whole', net, NIH, expected)
        keep('resnet18_legacy', {'epoch': 3, 'model': net, 'best': torch.tensor(0.5)}, NIH, expected, _use_new_zipfile_serialization=False)
        net = settle(torchvision.models.mobilenet_v2(num_classes=14))
        keep('mobilenet_v2', nn.DataParallel(net).state_dict(), NIH, torch.sigmoid(net(colour)), _use_new_zipfile_serialization=False)
        halves = collections.OrderedDict((k, v.half() if v.is_floating_point() else v) for k, v in net.state_dict().items())
        keep('mobilenet_v2_half', halves, NIH, torch.sigmoid(net.half().float()(colour)))
        for width in ('x0_5', 'x1_0', 'x1_5', 'x2_0'):
            net = settle(getattr(torchvision.models, f'shufflenet_v2_{width}')(num_classes=14))
            keep(f'shufflenet_v2_{width}', net.state_dict(), NIH, torch.sigmoid(net(colour)))
        thresholds = torch.rand(len(XRV)) * 0.8 + 0.1
        thresholds[[2, 17]] = float('nan')
        net = settle(xrv_module().DenseNet(thresholds))
        expected = op_norm(net((grey / 255 * 2 - 1) * 1024), thresholds)
        keep('xrv_whole', net, XRV, expected)
        keep('xrv', net.state_dict(), XRV, expected)
        net = settle(DenseNet121(14))
    optimizer = torch.optim.Adam(net.parameters())
    with torch.no_grad():
        old = collections.OrderedDict()
        for name, value in nn.DataParallel(net).state_dict().items():
            if 'denselayer' in name:
                for new in ('norm1', 'conv1', 'norm2', 'conv2'):
                    name = name.replace(f'.{new}.', f'.{new[:-1]}.{new[-1]}.')
            if not name.endswith('num_batches_tracked'):  # which were not there then
                old[name] = value
        keep('chexnet', {'epoch': 5, 'state_dict': old, 'best_loss': torch.tensor(0.1), 'optimizer': optimizer.state_dict()}, NIH, net(colour))
    with open(os.path.join(folder, 'said.json'), 'w', encoding='ascii') as file:
        json.dump(said, file)


main()
