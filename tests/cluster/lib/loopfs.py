"""A small ext4 on a loop file: a disk that can be cut off and filled."""
import os
import shutil
import subprocess


def missing():
    """Why there can be none here, or None."""
    if os.geteuid() != 0:
        return "needs root for mount"
    for tool in ("mkfs.ext4", "mount", "umount", "xfs_io"):
        if shutil.which(tool, path=os.environ["PATH"] + ":/sbin:/usr/sbin") is None:
            return f"needs {tool}"
    if not os.path.exists("/dev/loop-control"):
        return "needs loop devices"
    return None


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)


class Disk:
    """Raises OSError when it cannot be mounted."""

    def __init__(self, directory, name, mebibytes):
        self.image = os.path.join(directory, name + ".img")
        self.mount_point = os.path.join(directory, name + ".mnt")
        os.mkdir(self.mount_point)
        with open(self.image, "wb") as image:
            image.truncate(mebibytes << 20)
        made = run("mkfs.ext4", "-q", "-F", self.image)
        if made.returncode != 0:
            raise OSError("mkfs.ext4: " + made.stdout)
        self.mount()

    def mount(self):
        done = run("mount", "-o", "loop", self.image, self.mount_point)
        if done.returncode != 0:
            raise OSError("mount: " + done.stdout)

    def unmount(self):
        if os.path.ismount(self.mount_point):
            done = run("umount", self.mount_point)
            if done.returncode != 0:
                run("umount", "-l", self.mount_point)

    def cut_power(self):
        """What has not reached the disk is gone, at once and for good."""
        done = run("xfs_io", "-x", "-c", "shutdown", self.mount_point)
        if done.returncode != 0:
            raise OSError("xfs_io: " + done.stdout)

    def path(self, name):
        return os.path.join(self.mount_point, name)

    def free_bytes(self):
        fs = os.statvfs(self.mount_point)
        return fs.f_bavail * fs.f_frsize
