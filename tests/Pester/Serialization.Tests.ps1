# What ConvertTo-Json, Export-Csv and Export-Clixml make of what the cmdlets give: few values, no secrets, and they can be read back.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle

    # What is only there by name, of each type.
    $hidden = @(
        @{ Type = 'CracImage'; Names = 'Processes', 'Files', 'Sockets', 'MemoryAreas', 'Timers', 'Mounts', 'Namespaces', 'CommandLine', 'Environment', 'CpuFeatures', 'Cpu', 'ProcessIds', 'ThreadIds', 'Manifest', 'Host', 'Options', 'Statistics', 'Container', 'ServiceName', 'IsCompressed', 'IsEncrypted' }
        @{ Type = 'CracImageProcess'; Names = 'ThreadIds', 'Files', 'Sockets', 'MemoryAreas', 'Timers', 'Credentials', 'CommandLine', 'Environment', 'Details' }
        @{ Type = 'CracImageFile'; Names = , 'Details' }
        @{ Type = 'CracImageSocket'; Names = 'Options', 'Details' }
        @{ Type = 'CracImageMount'; Names = , 'Details' }
        @{ Type = 'CracImageTimer'; Names = , 'Details' }
        @{ Type = 'CracImageNamespace'; Names = , 'Details' }
        @{ Type = 'CracMemoryMatch'; Names = 'Process', 'Bytes', 'ContextBytes' }
        @{ Type = 'CracRestoredProcess'; Names = , 'Findings' }
        @{ Type = 'CracStartupMeasurement'; Names = 'Cold', 'Restored', 'Samples' }
    )
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe 'PSCrac.<Type>' -ForEach $hidden {
    BeforeAll {
        # The first object that is written brings them along.
        $null = Test-CracEnvironment
        $class = "PSCrac.$Type" -as [type]
        $data = Get-TypeData -TypeName "PSCrac.$Type"
        # The engine's extension properties of it, whose getters are static methods.
        $contents = $class.Assembly.GetExportedTypes().Where({ $_.Name -like '*Contents' })
        $extensions = $contents.GetMethods('Public, Static').Where({ $_.Name -like 'get_*' -and $_.GetParameters().ParameterType -eq $class }).Name -replace '^get_'
    }

    It 'hides what the engine keeps apart, and nothing else' {
        $extensions | Sort-Object | Should -Be ($Names | Sort-Object)
        $data.Members.Keys | Sort-Object | Should -Be ($Names | Sort-Object)
        foreach ($name in $Names) {
            $data.Members[$name].GetCodeReference.Name | Should -Be "${Type}_$name"
        }
    }

    It 'serializes its own properties' {
        $data.SerializationMethod | Should -Be 'SpecificProperties'
        $data.PropertySerializationSet.ReferencedProperties | Sort-Object | Should -Be ($class.GetProperties('Public, Instance').Name | Sort-Object)
        $class.GetProperties('Public, Instance').Count | Should -BeLessThan 15
    }
}

Describe "what is written out$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $secret = "secret$([guid]::NewGuid().ToString('N'))"
        Set-TestVariable TOKEN $secret
        # Enough of everything to be long where lists are written out.
        Set-Content -LiteralPath "$folder/busy.sh" 'for i in {1..100}; do exec {fd}</etc/passwd; done; for i in {1..10}; do sleep 100000 & done; wait'
        $id = Start-TestProgram "bash $folder/busy.sh"
        Wait-Until { @(Get-ChildItem "/proc/$id/fd").Count -gt 100 } 'the program has opened its files'
        $finding = Test-CracProcess $id | Select-Object -First 1
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/cr"
        $restored = Restore-CracProcess "$folder/cr"
        Add-TestProgram $restored.Id
        $started = Start-CracProcess sleep -ArgumentList 100000 -ImagePath "$folder/sleep" -LeaveRunning
        Add-TestProgram $started.Id
        $outputs = [ordered]@{
            image      = $image
            process    = $image.Processes[0]
            file       = $image.Files[20]
            area       = $image.MemoryAreas[0]
            restored   = $restored
            started    = $started
            capability = (Test-CracEnvironment)[0]
            difference = Compare-CracImage "$folder/cr" "$folder/sleep" | Select-Object -First 1
            match      = Search-CracImage "$folder/cr" -Pattern 'busy.sh' | Select-Object -First 1
            measured   = Measure-CracStartup sleep -ArgumentList 100000 -Count 3 -ReadyScript { $true }
        }
        if ($finding) { $outputs.finding = $finding }
    }

    AfterAll {
        Stop-TestProgram
    }

    It 'is short as JSON' {
        foreach ($name in $outputs.Keys) {
            $json = $outputs[$name] | ConvertTo-Json -WarningVariable cut -WarningAction SilentlyContinue
            $json.Length | Should -BeLessThan 4096 -Because $name
            $cut | Should -BeNullOrEmpty -Because "nothing of $name is cut off at the default depth"
            $json | Should -Not -Match $secret
        }
    }

    It 'is narrow as CSV' {
        foreach ($name in $outputs.Keys) {
            $lines = $outputs[$name] | ConvertTo-Csv
            @(($lines | ConvertFrom-Csv).PSObject.Properties).Count | Should -BeLessThan 15 -Because $name
            "$lines" | Should -Not -Match $secret
        }
    }

    It 'is short as CLIXML' {
        foreach ($name in $outputs.Keys) {
            $outputs[$name] | Export-Clixml "$folder/$name.xml"
            (Get-Item "$folder/$name.xml").Length | Should -BeLessThan 8192 -Because $name
            Get-Content "$folder/$name.xml" -Raw | Should -Not -Match $secret
        }
    }

    It 'has what a person wants first' {
        @($image.PSObject.Properties.Name)[0..9] | Should -Be 'Name', 'Path', 'Created', 'RootProcessId', 'Command', 'ProcessCount', 'ThreadCount', 'Memory', 'Size', 'Engine'
        @($restored.PSObject.Properties.Name)[0..7] | Should -Be 'Id', 'Command', 'ImagePath', 'ProcessCount', 'RestoreTime', 'ReadyTime', 'ExitCode', 'ExitSignal'
        @($started.PSObject.Properties.Name)[0..7] | Should -Be 'Id', 'Command', 'IsRestored', 'ReadyTime', 'Image', 'HasExited', 'ExitCode', 'ExitSignal'
    }

    It 'leaves lists and secrets where they are asked for' {
        $image.Environment | Should -Contain "TOKEN=$secret"
        ($image | Select-Object Environment | ConvertTo-Json) | Should -Match $secret
        ($image | Select-Object -ExpandProperty Files).Count | Should -BeGreaterThan 100
        @($image.Processes.ThreadIds).Count | Should -Be $image.ThreadCount
        ($image | Get-Member -Force Environment).MemberType | Should -Be 'CodeProperty'
        (TabExpansion2 '$image.Env' 10).CompletionMatches.CompletionText | Should -Contain 'Environment'
    }

    It 'is read back with the time of the checkpoint' {
        $made = $image.Created
        $made.Kind | Should -Be 'Local'
        $json = $image | ConvertTo-Json | ConvertFrom-Json
        $json.Created | Should -BeOfType DateTime
        $json.Created | Should -Be $made
        $xml = Import-Clixml "$folder/image.xml"
        $xml.Created | Should -BeOfType DateTime
        $xml.Created | Should -Be $made
        $image | Export-Csv "$folder/image.csv"
        # As PowerShell writes all times there: local, to the second.
        ([datetime] (Import-Csv "$folder/image.csv").Created - $made).Duration() | Should -BeLessThan ([timespan]::FromSeconds(1))
    }

    It 'is taken by the cmdlets when it has been read back' {
        foreach ($read in ($image | ConvertTo-Json | ConvertFrom-Json), (Import-Clixml "$folder/image.xml"), ($image | ConvertTo-Csv | ConvertFrom-Csv)) {
            ($read | Get-CracImage).RootProcessId | Should -Be $id
        }
    }
}

Describe "an image in another runspace$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    It 'has its lists by name once that has imported the module, though it wrote no object' {
        $image = Invoke-CracCheckpoint (Start-TestProgram 'sleep 1000') "$folder/parallel"
        $module = (Get-Module PSCrac).Path -replace '\.dll$', '.psd1'
        $seen = 1 | ForEach-Object -Parallel {
            Import-Module $using:module
            ($using:image).Processes.Count
        }
        $seen | Should -Be 1
    }
}
