namespace PSCrac.Procfs;

/// <summary>Parses /proc/PID/fdinfo/FD; each kind of file adds its own lines: proc(5) and Documentation/filesystems/proc.rst.</summary>
internal static class DescriptorInfo
{
    /// <summary>Adds the data of a descriptor's fdinfo.</summary>
    internal static ProcessDescriptor Add(ProcessDescriptor descriptor, ReadOnlySpan<byte> text)
    {
        var fields = new Fields();
        if (descriptor.Status is { Type: FileType.CharacterDevice, SpecialDevice.Major: >= 136 and <= 143 } slave)
        {
            fields.Terminal = (int)(((slave.SpecialDevice.Major - 136) << 20) + slave.SpecialDevice.Minor);
        }

        var lines = new AsciiReader(text);
        while (lines.TryReadField(out ReadOnlySpan<byte> key, out AsciiReader value))
        {
            fields.ReadLine(key, value);
        }

        return fields.AddTo(descriptor);
    }

    private static EventPollTarget ParseTarget(AsciiReader words)
    {
        // tfd:        5 events:       19 data:                5  pos:0 ino:61 sdev:1
        int number = words.ReadInt32();
        ulong inode = 0;
        for (ReadOnlySpan<byte> word = words.ReadWord(); !word.IsEmpty; word = words.ReadWord())
        {
            if (word.StartsWith("ino:"u8))
            {
                inode = AsciiReader.ParseHex(word[4..]);
            }
        }

        return new EventPollTarget(number, inode);
    }

    private static FileWatch ParseWatch(AsciiReader words, ulong inode = 0)
    {
        // inotify wd:1 ino:2 sdev:800001 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:…
        // fanotify ino:2 sdev:800001 mflags:0 mask:20 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:…
        uint device = 0;
        int type = 0;
        byte[]? handle = null;
        for (ReadOnlySpan<byte> word = words.ReadWord(); !word.IsEmpty; word = words.ReadWord())
        {
            if (word.StartsWith("ino:"u8))
            {
                inode = AsciiReader.ParseHex(word[4..]);
            }
            else if (word.StartsWith("sdev:"u8))
            {
                device = (uint)AsciiReader.ParseHex(word[5..]);
            }
            else if (word.StartsWith("fhandle-type:"u8))
            {
                type = (int)AsciiReader.ParseHex(word[13..]);
            }
            else if (word.StartsWith("f_handle:"u8))
            {
                ReadOnlySpan<byte> digits = word[9..];
                handle = new byte[digits.Length / 2];
                _ = Convert.FromHexString(digits, handle, out _, out _);
            }
        }

        // This is the kernel's internal dev_t, with 20 bits for the minor number.
        return new FileWatch(inode, new DeviceNumber(device >> 20, device & 0xfffff), type, handle);
    }

    private static int ParseOctal(ReadOnlySpan<byte> word)
    {
        int value = 0;
        foreach (byte digit in word)
        {
            value = (value << 3) | (digit - '0');
        }

        return value;
    }

    /// <summary>The values of the lines read so far.</summary>
    private struct Fields
    {
        internal int? Terminal;
        private int _flags;
        private int _mountId = -1;
        private long _position;
        private int? _clock;
        private int? _process;
        private List<FileLock>? _locks;
        private List<EventPollTarget>? _targets;
        private List<FileWatch>? _watches;

        public Fields()
        {
        }

        internal void ReadLine(ReadOnlySpan<byte> key, AsciiReader words)
        {
            switch (key)
            {
                case var _ when key.SequenceEqual("pos"u8):
                    _position = words.ReadInt64();
                    break;
                case var _ when key.SequenceEqual("flags"u8):
                    _flags = ParseOctal(words.ReadWord());
                    break;
                case var _ when key.SequenceEqual("mnt_id"u8):
                    _mountId = words.ReadInt32();
                    break;
                case var _ when key.SequenceEqual("lock"u8):
                    if (FileLock.Parse(words.Rest) is { } held)
                    {
                        (_locks ??= []).Add(held);
                    }

                    break;
                case var _ when key.SequenceEqual("tfd"u8):
                    (_targets ??= []).Add(ParseTarget(words));
                    break;
                case var _ when key.SequenceEqual("inotify wd"u8):
                    (_watches ??= []).Add(ParseWatch(words));
                    break;
                case var _ when key.SequenceEqual("fanotify ino"u8):
                    (_watches ??= []).Add(ParseWatch(words, AsciiReader.ParseHex(words.ReadWord())));
                    break;
                case var _ when key.SequenceEqual("clockid"u8):
                    _clock = words.ReadInt32();
                    break;
                case var _ when key.SequenceEqual("tty-index"u8):
                    Terminal = words.ReadInt32();
                    break;
                case var _ when key.SequenceEqual("Pid"u8):
                    _process = words.ReadInt32();
                    break;
            }
        }

        internal readonly ProcessDescriptor AddTo(ProcessDescriptor descriptor) => descriptor with
        {
            Flags = _flags,
            Position = _position,
            MountId = _mountId,
            ClockId = _clock,
            TerminalIndex = Terminal,
            TargetProcessId = descriptor.Kind == DescriptorKind.ProcessHandle ? _process ?? -1 : null,
            Locks = _locks ?? (IReadOnlyList<FileLock>)[],
            PollTargets = _targets ?? (IReadOnlyList<EventPollTarget>)[],
            Watches = _watches ?? (IReadOnlyList<FileWatch>)[],
        };
    }
}
