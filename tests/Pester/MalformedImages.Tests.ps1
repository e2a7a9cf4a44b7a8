# What Get-CracImage takes of the session's memory, whatever it is given: images are made to be as costly as their limits allow.

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $inventory = [byte[]] (0x16, 0x31, 0x31, 0x58)
    $tree = [byte[]] (0x19, 0x43, 0x56, 0x54, 0x30, 0x30, 0x27, 0x50)

    function New-Folder([string] $Name) {
        $path = (New-Item -ItemType Directory "$folder/$Name").FullName
        [IO.File]::WriteAllBytes("$path/inventory.img", $inventory)
        [IO.File]::WriteAllBytes("$path/pstree.img", $tree + [byte[]] (8, 0, 0, 0, 8, 7, 16, 0, 24, 7, 32, 7))
        $path
    }

    # A hole of 900 MiB, in which each 4 bytes are an empty entry.
    $hole = New-Folder 'hole'
    $file = [IO.File]::OpenWrite("$hole/pstree.img")
    $file.SetLength(900MB)
    $file.Dispose()

    # As many processes as are read, and one of more threads than are.
    $many = New-Folder 'many'
    $bytes = [IO.MemoryStream]::new()
    $bytes.Write($tree)
    foreach ($id in 1..65536) { $bytes.Write([byte[]] (10, 0, 0, 0, 8, (($id -band 0x7f) -bor 0x80), (($id -shr 7) -band 0x7f -bor 0x80), (($id -shr 14) -bor 0), 16, 0, 24, 7, 32, 7)[0..13]) }
    [IO.File]::WriteAllBytes("$many/pstree.img", $bytes.ToArray())
    $threads = New-Folder 'threads'
    $list = [byte[]]::new(60MB)
    [Array]::Fill($list, [byte] 7)
    $message = [byte[]] (8, 7, 16, 0, 24, 7, 32, 7, 0x2a, 0x80, 0x80, 0x80, 0x1e)
    [IO.File]::WriteAllBytes("$threads/pstree.img", $tree + [BitConverter]::GetBytes([int] ($message.Count + $list.Count)) + $message + $list)

    # A manifest of 15 MiB of numbers.
    $manifest = New-Folder 'manifest'
    [IO.File]::WriteAllText("$manifest/pscrac.json", '{"created":"2026-11-27T00:00:00Z","host":{"name":"x"},"process":{"rootPid":7},"options":{"a":[' + ('1,' * 7MB) + '1]}}')

    # Archives: names, and the files that are kept.
    function New-Archive([string] $Name, [scriptblock] $Write) {
        $file = [IO.File]::Create("$folder/$Name")
        $packed = [IO.Compression.GZipStream]::new($file, [IO.Compression.CompressionLevel]::Fastest)
        $writer = [Formats.Tar.TarWriter]::new($packed)
        $random = [byte[]]::new(4096)
        [Random]::new(1).NextBytes($random)
        $entry = [Formats.Tar.UstarTarEntry]::new('RegularFile', 'random')
        $entry.DataStream = [IO.MemoryStream]::new($random)
        $writer.WriteEntry($entry)
        & $Write $writer
        $writer.Dispose()
        $packed.Dispose()
        $file.Dispose()
        "$folder/$Name"
    }
    $names = New-Archive 'names.tar.gz' { param($writer) foreach ($number in 1..5000) { $writer.WriteEntry([Formats.Tar.PaxTarEntry]::new('RegularFile', "$number/$('n' * 4000)")) } }
    $kept = New-Archive 'kept.tar.gz' {
        param($writer)
        $content = [byte[]]::new(7MB)
        foreach ($number in 1..60) {
            $entry = [Formats.Tar.UstarTarEntry]::new('RegularFile', "f$number.img")
            $entry.DataStream = [IO.MemoryStream]::new($content)
            $writer.WriteEntry($entry)
        }
    }
    $sound = New-Folder 'sound'
}

AfterAll {
    Exit-CracTest
}

Describe 'Get-CracImage' {
    It 'takes less than 100 MB over the session, or names the limit: <Name>' -ForEach @(
        @{ Name = 'hole'; Says = 'required fields' }
        @{ Name = 'many'; Says = '^$' }
        @{ Name = 'threads'; Says = 'more than 1048576' }
        @{ Name = 'manifest'; Says = 'more than 786432 values' }
        @{ Name = 'names'; Says = 'more than 8388608 characters' }
        @{ Name = 'kept'; Says = 'no inventory.img' }
    ) {
        $path = Get-Variable -ValueOnly $Name
        # The peak is counted anew once the module is loaded and has been used.
        $child = Invoke-ChildPwsh "
            `$null = Get-CracImage '$sound' | Select-Object RootProcessId, ProcessCount, ThreadCount, Memory, Size
            [GC]::Collect()
            [IO.File]::WriteAllText('/proc/self/clear_refs', '5')
            function Peak { [long] ((Get-Content /proc/self/status | Select-String 'VmHWM') -replace '\D') }
            `$before = Peak
            Get-CracImage '$path' -ErrorAction SilentlyContinue -ErrorVariable failure | Select-Object RootProcessId, ProcessCount, ThreadCount, Memory, Size | Out-Null
            ""`$((Peak) - `$before)|`$(`$failure | ForEach-Object { `$_.Exception.Message })"""
        $peak, $message = $child.Output -split '\|', 2
        $message | Should -Match $Says -Because "$($child.Output)$($child.Error)"
        [long] $peak | Should -BeLessThan (100MB / 1KB)
        Write-Host "$Name took $([long] $peak -shr 10) MiB"
    }
}
