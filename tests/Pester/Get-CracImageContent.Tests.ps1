BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
    $noCrit = Get-CriuObstacle crit, python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Get-CracImageContent$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram "bash -c 'exec 7</etc/passwd; sleep 1000 & wait'"
        $image = Invoke-CracCheckpoint -Id $id -ImageName one -PidTimeout 0
        $path = $image.Path
    }

    It 'gives entries with the fields that criu names, and their place' {
        $root = @(Get-CracImageContent $path -Type pstree)[0]
        $root | Should -BeOfType PSCrac.CracImageEntry
        $root.pid | Should -Be $id
        $root.ppid | Should -Be 0
        $root.File | Should -Be 'pstree.img'
        $root.Index | Should -Be 0
        $root.FileType | Should -Be 'PSTREE'
        (Get-CracImageContent $path core).tc.comm | Should -Be 'bash', 'sleep'
    }

    It 'has fields that Select-Object, Group-Object, Sort-Object, Measure-Object and Get-Member see' {
        (Get-CracImageContent $path pstree | Select-Object pid, File)[0].pid | Should -Be $id
        (Get-CracImageContent $path files | Group-Object type -NoElement).Name | Should -Contain 'REG'
        (Get-CracImageContent $path pstree | Sort-Object pid -Descending)[-1].pid | Should -Be $id
        (Get-CracImageContent $path pages | Measure-Object size -Sum).Sum | Should -Be $image.Memory
        (Get-CracImageContent $path pstree | Get-Member -MemberType Properties).Name | Should -Contain 'ppid'
        (Get-CracImageContent $path files | Where-Object type -EQ REG).reg.name | Should -Contain '/etc/passwd'
        (Get-CracImageContent $path mm | ForEach-Object vmas | Select-Object -First 1 start, end).end | Should -BeGreaterThan 0
    }

    It 'takes types in any spelling, names of files, and wildcards: <Type>' -ForEach @(
        @{ Type = 'core', 'CORE'; Files = 'core-*' }
        @{ Type = , 'fdinfo'; Files = 'fdinfo-*' }
        @{ Type = , 'fdinfo-*'; Files = 'fdinfo-*' }
        @{ Type = 'pstree.img', 'inventory'; Files = 'pstree.img', 'inventory.img' }
        @{ Type = , 'p*.img'; Files = 'pstree.img', 'pagemap-*', 'pages-*' }
    ) {
        $expected = Get-ChildItem "$path/*" -Include $Files | ForEach-Object Name
        Get-CracImageContent $path -Type $Type -ErrorAction Stop | ForEach-Object File | Sort-Object -Unique | Should -Be ($expected | Sort-Object)
    }

    It 'gives everything without a type' {
        $files = Get-CracImageContent $path -ErrorAction Stop | ForEach-Object File | Sort-Object -Unique
        $files | Should -Be (Get-ChildItem $path | Where-Object Name -Match '\.img$|^stats-dump$' | ForEach-Object Name | Sort-Object)
    }

    It 'gives nothing, and no error, for a type that the image has no file of' {
        Get-CracImageContent $path -Type tcp-stream -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'says of <What> that it is wrong, after the rest' -ForEach @(
        @{ What = 'a word that is no type'; Type = 'cor', 'inventory'; Reason = 'OptionRefused'; Says = "'cor' is not a type" }
        @{ What = 'a file that is not there'; Type = 'core-1.img', 'inventory'; Reason = 'FileMissing'; Says = 'has no file core-1\.img' }
    ) {
        $entries = @(Get-CracImageContent $path -Type $Type -ErrorAction SilentlyContinue -ErrorVariable errors)
        $entries.File | Should -Be 'inventory.img'
        $errors.Count | Should -Be 1
        $errors[0].FullyQualifiedErrorId | Should -Be "$Reason,PSCrac.Commands.GetCracImageContentCommand"
        $errors[0].Exception.Message | Should -Match $Says
        $errors[0].ErrorDetails.RecommendedAction | Should -Match '\.$'
    }

    It 'gives the protobuf bytes with -Raw' {
        $raw = @(Get-CracImageContent $path -Type inventory -Raw)
        $raw.Count | Should -Be 1 -Because 'an entry is one array'
        , $raw[0] | Should -BeOfType byte[]
        $file = [IO.File]::ReadAllBytes("$path/inventory.img")
        $raw[0].Length | Should -BeGreaterThan 4
        [Convert]::ToHexString($raw[0]) | Should -Be ([Convert]::ToHexString($file, (Get-CracImageContent $path inventory).Offset, $raw[0].Length))
    }

    It 'leaves payload out with -NoPayload, and leaves it to be read' {
        $python = Start-TestProgram "bash -c 'exec 8<> <(:); echo kept >&8; exec sleep 1000'"
        Wait-Until { [IO.File]::ReadAllText("/proc/$python/comm") -eq "sleep`n" } 'the shell becomes sleep'
        $pipe = Invoke-CracCheckpoint -Id $python -ImagePath "$folder/pipe"
        $with = Get-CracImageContent $pipe pipes-data
        [Text.Encoding]::ASCII.GetString([Convert]::FromBase64String($with.extra)) | Should -Be "kept`n"
        $without = Get-CracImageContent $pipe pipes-data -NoPayload
        $without.extra | Should -BeNullOrEmpty
        $without.PayloadLength | Should -Be 5
        $stream = [IO.StreamReader]::new($without.OpenPayload())
        $stream.ReadToEnd() | Should -Be "kept`n"
        $stream.Dispose()
    }

    It 'takes images from the pipeline, by value and by property, and goes on after a bad one' {
        ($path | Get-CracImageContent -Type pstree)[0].pid | Should -Be $id
        ($image | Get-CracImageContent -Type pstree)[0].pid | Should -Be $id
        (Get-Item $path | Get-CracImageContent -Type pstree)[0].pid | Should -Be $id
        ([pscustomobject]@{ Path = $path } | Get-CracImageContent -Type pstree)[0].pid | Should -Be $id
        $entries = @("$folder/none", $path | Get-CracImageContent -Type inventory -ErrorAction SilentlyContinue -ErrorVariable errors)
        $entries.Count | Should -Be 1
        $errors.FullyQualifiedErrorId | Should -Be 'NotAnImage,PSCrac.Commands.GetCracImageContentCommand'
    }

    It 'takes a path with [1] in it by -LiteralPath, and wildcards by -Path' {
        Copy-Item -Recurse $path "$folder/cr [1]"
        (Get-CracImageContent -LiteralPath "$folder/cr [1]" -Type pstree)[0].pid | Should -Be $id
        (Get-CracImageContent "$folder/cr*" -Type pstree)[0].pid | Should -Be $id
    }

    It 'streams: what comes first is there before the damage behind it' {
        Copy-Item -Recurse $path "$folder/damaged"
        $file = [IO.File]::OpenWrite("$folder/damaged/pstree.img")
        $file.SetLength($file.Length - 3)
        $file.Dispose()
        $entries = @(Get-CracImageContent "$folder/damaged" -Type pstree -ErrorAction SilentlyContinue -ErrorVariable errors)
        $entries.pid | Should -Be $id
        $errors[0].FullyQualifiedErrorId | Should -Match '^ImageIncomplete,'
        $errors[0].Exception.FileName | Should -Be 'pstree.img'
        $errors[0].Exception.FileOffset | Should -BeGreaterThan 12
        (Get-CracImageContent $path | Select-Object -First 1).File | Should -Be (Get-CracImageContent $path)[0].File
    }

    It 'shows an unknown magic as such' {
        Copy-Item -Recurse $path "$folder/unknown"
        [IO.File]::WriteAllBytes("$folder/unknown/strange.img", [byte[]] (1..40))
        $entry = Get-CracImageContent "$folder/unknown" -Type strange.img
        $entry.FileType | Should -Be 'UNKNOWN'
        $entry.magic | Should -Be '0x04030201'
        $entry.size | Should -Be 40
    }

    It 'shows as a table of 80 columns' {
        $lines = (Get-CracImageContent $path -Type pstree, files | Out-String -Width 80).Trim().Split("`n")
        $lines[0] | Should -Match '^File +Index Entry'
        $lines[2] | Should -Match '^files\.img +0 \{"type":'
        ($lines | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80
    }

    It 'has its types completed' {
        $line = 'Get-CracImageContent ./cr -Type pipe'
        [Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches.CompletionText |
            Should -Be 'pipes', 'pipes-data'
    }
}

Describe "Get-CracImageContent beside crit$(Get-SkipNote $noCrit)" -Skip:([bool] $noCrit) {
    It 'has, as JSON, the fields and values that crit has: <What>' -ForEach @(
        @{ What = 'a shell with children'; Program = "bash -c 'for i in 1 2 3; do sleep 1000 & done; touch {0}; wait'" }
        @{
            What = 'descriptors and sockets'
            Program = "$(Find-Program python3) -c 'import os, select, socket, mmap, time; s = socket.create_server((`"127.0.0.1`", 0)); u = socket.socketpair(); u[0].send(b`"in the queue`"); p = os.pipe(); os.write(p[1], b`"in the pipe`"); e = select.epoll(); e.register(s); m = mmap.mmap(-1, 8192); m[:3] = b`"abc`"; d = os.memfd_create(`"d`"); os.write(d, b`"x`"); open(`"{0}`", `"w`").close(); time.sleep(1000)'"
        }
    ) {
        $ready = "$folder/$([guid]::NewGuid())"
        $id = Start-TestProgram $Program.Replace('{0}', $ready)
        Wait-Until { Test-Path $ready } 'the program is ready'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/$([guid]::NewGuid())"
        $compared = 0
        # One file of each type; the engine's tests hold more of them against crit. It does not know pages.
        foreach ($type in Get-CracImageContent $image | Where-Object FileType -NE PAGES | Group-Object FileType) {
            $file = ($type.Group | Group-Object File)[0]
            $theirs = & (Find-Program crit) decode -i "$($image.Path)/$($file.Name)" | Out-String
            $ours = ConvertTo-Json -InputObject @($file.Group) -Depth 20
            $expected = [Text.Json.Nodes.JsonNode]::Parse($theirs)['entries']
            $same = [Text.Json.Nodes.JsonNode]::DeepEquals([Text.Json.Nodes.JsonNode]::Parse($ours), $expected)
            if (-not $same) { $ours | Should -Be $expected.ToJsonString() -Because "that is what crit has for $($file.Name)" }
            $same | Should -BeTrue -Because $file.Name
            $compared++
        }
        $compared | Should -BeGreaterThan 10
    }
}
